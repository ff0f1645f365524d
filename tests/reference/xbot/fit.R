# Cox model of relapse on arm for every rule of benchmarks/xbot_check.py, three ways of handling ties, two time units.
# Run in this folder: Rscript fit.R    (needs the package survival)
library(survival)
d <- read.csv("relapse_times.csv", check.names = FALSE)
arm <- as.integer(d$arm == "xr-ntx")
rules <- sub("_day$", "", grep("_day$", names(d), value = TRUE))
out <- NULL
for (rule in rules) {
  day <- d[[paste0(rule, "_day")]]; event <- d[[paste0(rule, "_event")]]
  units <- if (rule == "base") c("day", "week") else "day"
  for (unit in units) {
    # a week is counted from the rule's first day (21 for base); the end of follow-up falls into the last week
    time <- if (unit == "day") day else (day - 21) %/% 7 + 1
    for (ties in c("efron", "breslow", "exact")) {
      f <- coxph(Surv(time, event) ~ arm, ties = ties, control = coxph.control(eps = 1e-12, toler.inf = 1e-8, iter.max = 100))
      s <- summary(f)
      out <- rbind(out, data.frame(rule, unit, ties, n = length(arm), n_events = sum(event),
        events_xr_ntx = sum(event[arm == 1]), events_bup_nx = sum(event[arm == 0]),
        hazard_ratio = exp(coef(f)), log_se = sqrt(vcov(f)[1, 1]),
        ci_lower = exp(coef(f) - qnorm(.975) * sqrt(vcov(f)[1, 1])),
        ci_upper = exp(coef(f) + qnorm(.975) * sqrt(vcov(f)[1, 1])), p_wald = s$coefficients[1, 5],
        logrank_chisq = survdiff(Surv(time, event) ~ arm)$chisq))
    }
  }
}
num <- sapply(out, is.numeric)
out[num] <- lapply(out[num], function(x) format(x, digits = 15, trim = TRUE, scientific = FALSE))
write.csv(out, "fits.csv", row.names = FALSE, quote = FALSE)
cat(R.version.string, "survival", as.character(packageVersion("survival")), "\n")
