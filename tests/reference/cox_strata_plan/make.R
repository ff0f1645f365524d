# R 4.2.2, survival 3.5-3. Rscript make.R: draws rows.csv and prints the answers of test_cox_strata_in_a_plan.py
library(survival)
set.seed(29); n <- 40
d <- data.frame(sex = ifelse(runif(n) < .6, "female", "male"), arm = rep(0:1, each = n / 2), age = round(runif(n, 20, 60)))
d$time <- ceiling(rexp(n, ifelse(d$sex == "male", 1 / 20, 1 / 70) * exp(-.6 * d$arm)) / 3) * 3
d$event <- as.integer(d$time < 84); d$time <- pmin(d$time, 84)
write.csv(d, "rows.csv", row.names = FALSE)
for (ties in c("efron", "breslow", "exact")) { f <- coxph(Surv(time, event) ~ arm + strata(sex), d, ties = ties); cat(ties, format(c(coef(f), sqrt(vcov(f))), digits = 12), "\n") }
f <- coxph(Surv(time, event) ~ arm + age + strata(sex), d); cat("age", format(c(coef(f)[1], sqrt(vcov(f)[1])), digits = 12), "\n")
z <- cox.zph(coxph(Surv(time, event) ~ arm + strata(sex), d), "km"); cat("zph", format(z$table[1, c(1, 3)], digits = 12), "\n")
s <- d; s$event[s$arm == 1] <- 0; s$time[s$arm == 1] <- 84; f <- coxph(Surv(time, event) ~ strata(sex), s); l0 <- f$loglik[1]
L <- function(b) coxph(Surv(time, event) ~ offset(b * arm) + strata(sex), s)$loglik[1]
cat("no events in one arm: LR", format(2 * (L(-30) - l0), digits = 12), "upper", format(exp(uniroot(function(b) 2 * (L(-30) - L(b)) - qchisq(.95, 1), c(-8, 1), tol = 1e-12)$root), digits = 10), "\n")
