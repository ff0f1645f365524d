# Contagious bovine pleuropneumonia (lme4's data set): random intercept of herd by Laplace and by quadrature.
suppressMessages(library(lme4))
control <- glmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9), tolPwrss = 1e-12)
rows <- lapply(c(1, 10, 25), function(q) {
  m <- glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, binomial, nAGQ = q, control = control)
  c(q, fixef(m), sqrt(diag(as.matrix(vcov(m)))), getME(m, "theta"), -0.5 * deviance(m))
})
out <- as.data.frame(do.call(rbind, rows))
names(out) <- c("nodes", "b0", "b2", "b3", "b4", "se0", "se2", "se3", "se4", "sd", "half_deviance")
write.csv(format(out, digits = 12), "cbpp.csv", row.names = FALSE, quote = FALSE)
