# One round of R's fits on trials written by estimators.py: Rscript estimators.R FOLDER FIRST LAST
# Prints one line a model: name, milliseconds of processor time a fit (mean over the trials), sum of log-likelihoods where there is one.
arguments <- commandArgs(trailingOnly = TRUE)
folder <- arguments[1]
chosen <- as.integer(arguments[2]):as.integer(arguments[3])
suppressMessages({ library(lme4); library(survival) })
visits <- split(read.csv(file.path(folder, "visits.csv")), ~trial)
people <- split(read.csv(file.path(folder, "people.csv")), ~trial)
measure <- function(name, fit) {
  level <- 0
  seconds <- system.time(for (k in chosen) level <- level + suppressMessages(suppressWarnings(fit(as.character(k)))))
  cat(name, 1000 * sum(seconds[c("user.self", "sys.self")]) / length(chosen), level, "\n")
}
control <- glmerControl(optimizer = "bobyqa")
measure("glmer_agq10_bobyqa", function(k) {
  m <- glmer(y ~ arm + week + bc + (1 | id), visits[[k]], family = binomial, nAGQ = 10, control = control)
  vcov(m)
  as.numeric(logLik(m))
})
measure("glmer_agq10_default", function(k) {
  m <- glmer(y ~ arm + week + bc + (1 | id), visits[[k]], family = binomial, nAGQ = 10)
  vcov(m)
  as.numeric(logLik(m))
})
measure("lmer_slope", function(k) {
  m <- lmer(score ~ arm * week + bc + (1 + week | id), visits[[k]])
  vcov(m)
  as.numeric(logLik(m))
})
measure("logistic", function(k) as.numeric(logLik(summary(glm(abstinent ~ arm + bc, people[[k]], family = binomial)) |>
  (\(s) structure(-s$deviance / 2, df = 3, class = "logLik"))())))
measure("cox_efron", function(k) coxph(Surv(time, event) ~ arm + bc, people[[k]])$loglik[2])
measure("km_logrank", function(k) {
  summary(survfit(Surv(time, event) ~ arm, people[[k]], conf.type = "log-log"))
  survdiff(Surv(time, event) ~ arm, people[[k]])$chisq
})
