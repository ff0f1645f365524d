# Reference-based imputation of counts by R 4.2.2 and its package dejaVu 0.3.1 (Keene, Roger, Hartley and Kenward 2014).
# The package is not needed to test: run `Rscript make.R` in this folder to make counts.csv and answers.csv again.
library(dejaVu)

set.seed(20260)
n <- 120
arm <- rep(0:1, each = n / 2)
study <- 84
rate <- ifelse(arm == 1, 0.025, 0.045)
level <- rgamma(n, shape = 1.5, rate = 1.5)
left <- ifelse(runif(n) < 0.45, sample(6:80, n, replace = TRUE), study)
events <- lapply(seq_len(n), function(i) sort(runif(rpois(1, rate[i] * level[i] * left[i]), 0, left[i])))
counts <- data.frame(arm = arm, days = left, events = lengths(events))
write.csv(counts, "counts.csv", row.names = FALSE, quote = FALSE)

covariates <- data.frame(Id = seq_len(n), arm = arm)
data <- MakeDejaData(covariates, arm = "arm", Id = "Id")
trial <- ImportSim(data, events, status = "dropout", study.time = study, censored.time = left)
fit <- Simfit(trial)

answers <- NULL
rules <- list(
  "at-random" = weighted_j2r(trt.weight = 1),
  "jump-to-reference" = weighted_j2r(trt.weight = 0),
  "copy-reference" = copy_reference(),
  "at-random, rest of the active arm times 1.5" = weighted_j2r(trt.weight = 1, delta = c(1, 1.5))
)
for (rule in names(rules)) {
  sets <- Impute(fit, rules[[rule]], 2000)
  completed <- sapply(seq_len(2000), function(k) GetImputedDataSet(sets, k)$data$observed.events)
  whole <- sapply(0:1, function(a) colMeans(completed[arm == a, ]))
  pooled <- summary(Simfit(sets, family = "negbin"))
  answers <- rbind(answers, data.frame(
    rule = paste0('"', rule, '"'), sets = 2000,
    mean_reference = mean(whole[, 1]), sd_reference = sd(whole[, 1]),
    mean_active = mean(whole[, 2]), sd_active = sd(whole[, 2]),
    log_rate_ratio = log(pooled$treatment.effect), se = pooled$se
  ))
}
write.csv(answers, "answers.csv", row.names = FALSE, quote = FALSE)
