# R's answers for the data set pharmacoSmoking as it is shipped with the program.
# Run in this folder: Rscript fit.R    (needs the package survival)
library(survival)
d <- read.csv("../../../src/equipoise/examples/smoking-cessation/pharmaco_smoking.csv")
arm <- as.integer(d$grp == "combination")
out <- NULL
add <- function(what, term, estimate, se = NA, lower = NA, upper = NA, statistic = NA, p = NA)
  out <<- rbind(out, data.frame(what, term, estimate, se, lower, upper, statistic, p))
ctrl <- coxph.control(eps = 1e-12, toler.inf = 1e-8, iter.max = 100)
z <- qnorm(.975)
for (ties in c("efron", "breslow", "exact")) for (adj in c("none", "age")) {
  f <- if (adj == "none") coxph(Surv(ttr, relapse) ~ arm, d, ties = ties, control = ctrl) else
    coxph(Surv(ttr, relapse) ~ arm + age, d, ties = ties, control = ctrl)
  b <- coef(f)[["arm"]]; s <- sqrt(vcov(f)["arm", "arm"])
  add(paste0("cox_", ties, if (adj == "age") "_age" else ""), "hazard_ratio", exp(b), s, exp(b - z * s), exp(b + z * s), b / s, 2 * pnorm(-abs(b / s)))
}
l <- survdiff(Surv(ttr, relapse) ~ arm, d)
add("logrank", "chisq", l$chisq, p = 1 - pchisq(l$chisq, 1))
k <- survfit(Surv(ttr, relapse) ~ grp, d, conf.type = "log-log")
q <- quantile(k, .5)
for (g in 1:2) {
  name <- sub("grp=", "", names(k$strata)[g])
  add("km", paste0("median_", name), q$quantile[g], lower = q$lower[g], upper = q$upper[g])
  for (t in c(0, 7, 30, 90, 181)) {
    s <- summary(k[g], times = t)
    add("km", paste0("survival_", t, "_", name), s$surv, s$std.err, s$lower, s$upper)
  }
}
# restricted mean to 182 days, by hand: area under the step curve and its variance (Greenwood), as survival prints it
for (g in 1:2) {
  m <- summary(k[g], rmean = 182)$table
  add("rmst_182", sub("grp=", "", names(k$strata)[g]), m[["rmean"]], m[["se(rmean)"]])
}
quit <- as.integer(d$relapse == 0)
add("abstinent", "n_combination", sum(quit[arm == 1])); add("abstinent", "n_patchOnly", sum(quit[arm == 0]))
g <- glm(quit ~ arm, binomial, control = glm.control(epsilon = 1e-14)); s <- sqrt(vcov(g)[2, 2]); b <- coef(g)[[2]]
add("logistic", "odds_ratio", exp(b), s, exp(b - z * s), exp(b + z * s), b / s, 2 * pnorm(-abs(b / s)))
g <- glm(quit ~ arm + age + (gender == "Female"), data = d, family = binomial, control = glm.control(epsilon = 1e-14))
s <- sqrt(vcov(g)[2, 2]); b <- coef(g)[[2]]
add("logistic_age_gender", "odds_ratio", exp(b), s, exp(b - z * s), exp(b + z * s), b / s, 2 * pnorm(-abs(b / s)))
num <- sapply(out, is.numeric)
out[num] <- lapply(out[num], function(x) ifelse(is.na(x), "", format(x, digits = 15, trim = TRUE)))
write.csv(out, "fits.csv", row.names = FALSE, quote = FALSE)
cat(R.version.string, "survival", as.character(packageVersion("survival")), "\n")
