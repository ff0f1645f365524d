# GEE, logit, first-order autoregressive working correlation, sandwich errors: six of the reference trials.
suppressMessages(library(geepack))
d <- read.csv("urine_rows.csv")
rows <- lapply(c(3, 13, 23, 46, 73, 88), function(k) {
  one <- d[d$trial == k, ]
  m <- geeglm(y ~ arm + week + bc, data = one, id = id, waves = visit, family = binomial, corstr = "ar1",
              control = geese.control(epsilon = 1e-10, maxit = 100))
  c(k, coef(m), sqrt(diag(m$geese$vbeta)), m$geese$alpha)
})
out <- as.data.frame(do.call(rbind, rows))
names(out) <- c("trial", "b0", "b_arm", "b_week", "b_bc", "se0", "se_arm", "se_week", "se_bc", "alpha")
write.csv(format(out, digits = 12), "geepack_ar1.csv", row.names = FALSE, quote = FALSE)
