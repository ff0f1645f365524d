# Outside answers for conditional-mean imputation and its jackknife (Wolbers and others 2022): R 4.2.2, nlme 3.1-162.
# Rscript conditional_mean.R    writes scores.csv and conditional_mean.csv beside itself; a minute or two.
# The model is fitted by nlme::gls (unstructured covariance, maximum likelihood); the rules are written out here again.
suppressPackageStartupMessages(library(nlme))
set.seed(7)
n <- 80; V <- 4
arm <- rep(0:1, n / 2); base <- rnorm(n)
S <- 36 * 0.6^abs(outer(1:V, 1:V, "-"))
y <- matrix(rnorm(n * V), n) %*% chol(S)
for (v in 1:V) y[, v] <- y[, v] + 40 - 2 * v - 1.5 * v * arm + 3 * base
for (i in 1:n) {                      # dropout, more often after a high score; then a gap here and there
  for (v in 2:V) if (!is.na(y[i, v - 1]) && runif(1) < plogis(-2.2 + 0.06 * (y[i, v - 1] - 35))) y[i, v:V] <- NA
  last <- max(which(!is.na(y[i, ])))
  if (last > 2 && runif(1) < 0.2) y[i, sample(last - 1, 1)] <- NA
}
y <- round(y, 6); base <- round(base, 6)
write.csv(data.frame(arm, base, y1 = y[, 1], y2 = y[, 2], y3 = y[, 3], y4 = y[, 4]), "scores.csv", row.names = FALSE, na = "")

fit <- function(keep) {
  long <- data.frame(id = rep(keep, each = V), visit = rep(1:V, length(keep)), y = as.vector(t(y[keep, ])),
                     arm = rep(arm[keep], each = V), base = rep(base[keep], each = V))
  long <- long[!is.na(long$y), ]
  m <- gls(y ~ 0 + factor(visit) + factor(visit):arm + factor(visit):base, data = long, method = "ML",
           correlation = corSymm(form = ~ visit | id), weights = varIdent(form = ~ 1 | visit),
           control = glsControl(maxIter = 500, msMaxIter = 500, tolerance = 1e-12, msTol = 1e-14, opt = "nlminb"))
  b <- matrix(coef(m), V)             # visit x (constant, arm, base)
  C <- corMatrix(m$modelStruct$corStruct)
  C <- C[[which.max(sapply(C, nrow))]]
  sd <- sigma(m) * c(1, coef(m$modelStruct$varStruct, unconstrained = FALSE))[order(c(1, as.numeric(names(coef(m$modelStruct$varStruct, unconstrained = FALSE)))))]
  list(b = b, S = C * outer(sd, sd), loglik = as.numeric(logLik(m)))
}
impute <- function(m, keep, rule) {
  out <- y[keep, ]
  for (k in seq_along(keep)) {
    i <- keep[k]; lost <- which(is.na(y[i, ])); seen <- which(!is.na(y[i, ]))
    if (!length(lost)) next
    own <- as.vector(m$b %*% c(1, arm[i], base[i])); ref <- as.vector(m$b %*% c(1, 0, base[i]))
    last <- max(seen); mu <- own
    after <- if (last < V) (last + 1):V else integer(0)
    if (rule == "jump-to-reference") mu[after] <- ref[after]
    if (rule == "copy-reference") mu <- ref
    if (rule == "copy-increments") mu[after] <- own[last] + ref[after] - ref[last]
    out[k, lost] <- mu[lost] + m$S[lost, seen, drop = FALSE] %*% solve(m$S[seen, seen, drop = FALSE], y[i, seen] - mu[seen])
  }
  out
}
rules <- c("at-random", "jump-to-reference", "copy-reference", "copy-increments")
effect <- function(keep) {
  m <- fit(keep)
  c(sapply(rules, function(rule) coef(lm(impute(m, keep, rule)[, V] ~ arm[keep] + base[keep]))[2]), m$loglik)
}
whole <- effect(1:n)
without <- t(sapply(1:n, function(i) effect(setdiff(1:n, i))))
se <- apply(without[, 1:4], 2, function(t) sqrt((n - 1) / n * sum((t - mean(t))^2)))
write.csv(data.frame(rule = rules, estimate = whole[1:4], jackknife_se = se, log_likelihood = whole[5]),
          "conditional_mean.csv", row.names = FALSE)
