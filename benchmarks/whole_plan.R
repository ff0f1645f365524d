# The models of the whole plan by R, trial by trial; prints one line a trial of estimates, and the seconds of the fits.
# Rscript whole_plan.R FOLDER: people.csv and visits.csv as benchmarks/whole_plan.py writes them; answers to estimates.csv.
suppressMessages({library(survival); library(lme4)})
folder <- commandArgs(TRUE)[1]
people <- read.csv(file.path(folder, "people.csv"))
visits <- read.csv(file.path(folder, "visits.csv"))
by_trial <- split(people, people$replicate)
visits_by_trial <- split(visits, visits$replicate)
spent <- c()
clock <- function(name, code) {
  start <- proc.time()
  value <- tryCatch(suppressWarnings(suppressMessages(code)), error = function(e) NULL)
  used <- proc.time() - start
  spent[name] <<- sum(spent[name], used[["user.self"]] + used[["sys.self"]], na.rm = TRUE)
  value
}
take <- function(fit, name) {
  if (is.null(fit)) return(c(NA, NA))
  row <- coef(summary(fit))[name, ]
  c(row[[1]], row[[if (inherits(fit, "coxph")) 3 else 2]])
}
use_brglm <- requireNamespace("brglm2", quietly = TRUE)
one <- function(id) {
  p <- by_trial[[id]]; v <- visits_by_trial[[id]]
  out <- c(replicate = as.numeric(id))
  keep <- function(name, pair) { out[paste0(name, c("", ".se"))] <<- pair }
  logistic <- clock("logistic", { f <- glm(abstinent ~ arm + route, binomial, p); s <- summary(f); f })
  keep("logistic", take(logistic, "arm"))
  if (use_brglm) clock("firth", summary(glm(abstinent ~ arm + route, binomial, p, method = brglm2::brglmFit)))
  clock("risk difference", prop.test(tapply(p$abstinent, p$arm, sum), table(p$arm), correct = FALSE))
  keep("cox", take(clock("cox", { f <- coxph(Surv(time, event) ~ arm + route, p, ties = "efron"); summary(f); f }), "arm"))
  clock("log-rank", survdiff(Surv(time, event) ~ arm, p))
  clock("kaplan-meier", { f <- survfit(Surv(time, event) ~ arm, p, conf.type = "log-log"); summary(f)$table })
  keep("glmm", take(clock("glmm", { f <- glmer(use ~ arm + week + route + (1 | who), v, family = binomial, nAGQ = 10); summary(f); f }), "arm"))
  for (score in c("craving", "mindfulness", "stress")) {
    v$y <- v[[score]]
    keep(score, take(clock(score, { f <- lmer(y ~ arm + week + route + (week | who), v[!is.na(v$y), ]); summary(f); f }), "arm"))
  }
  keep("six months", take(clock("six months", { f <- glm(six_months ~ arm + route, binomial, p); s <- summary(f); f }), "arm"))
  out
}
invisible(one(names(by_trial)[1]))  # warm: packages' first calls are not counted
spent <- c()
answers <- do.call(rbind, lapply(names(by_trial), one))
write.csv(answers, file.path(folder, "estimates.csv"), row.names = FALSE)
write.csv(data.frame(model = names(spent), seconds = as.numeric(spent)), file.path(folder, "seconds.csv"), row.names = FALSE)
write.csv(data.frame(package = c("R", "lme4", "survival"), version = c(as.character(getRversion()), as.character(packageVersion("lme4")), as.character(packageVersion("survival"))), brglm2 = use_brglm), file.path(folder, "versions.csv"), row.names = FALSE)
