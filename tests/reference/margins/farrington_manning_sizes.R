# Sample sizes of Farrington and Manning's test against a margin, by rpact. Run here: Rscript farrington_manning_sizes.R
suppressMessages(library(rpact))
cases <- expand.grid(p0 = c(.1, .35, .6, .8), shift = c(-.03, 0, .05), margin = c(-.15, -.1), ratio = c(1, 2), power = c(.8, .9))
one <- function(scale, p0, p1, margin, ratio, power) {
  a <- getSampleSizeRates(getDesignGroupSequential(kMax = 1, alpha = .025, beta = 1 - power, sided = 1), groups = 2,
    thetaH0 = margin, riskRatio = scale == "risk_ratio", pi1 = p1, pi2 = p0, allocationRatioPlanned = ratio, normalApproximation = TRUE)
  data.frame(scale, p0, p1, margin, ratio, power, n_total = sprintf("%.8f", a$nFixed), version = as.character(packageVersion("rpact")))
}
d <- do.call(rbind, lapply(seq_len(nrow(cases)), function(i) with(cases[i, ], one("risk_difference", p0, p0 + shift, margin, ratio, power))))
r <- expand.grid(p0 = c(.35, .6, .8), factor = c(.97, 1, 1.1), margin = c(.7, .85), ratio = c(1, 2))
e <- do.call(rbind, lapply(seq_len(nrow(r)), function(i) with(r[i, ], one("risk_ratio", p0, p0 * factor, margin, ratio, .8))))
write.csv(rbind(d, e), "farrington_manning_sizes.csv", row.names = FALSE, quote = FALSE)
