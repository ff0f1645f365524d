# R 4.2.2, lme4 1.1-31, lmerTest 3.1-3, pbkrtest 0.5.2. Rscript make.R: draws rows.csv and prints the answers of
# test_random_site_in_a_plan.py
suppressMessages({library(lme4); library(lmerTest)})
set.seed(18); n <- 72
d <- data.frame(site = sprintf("s%d", c(rep(1:6, each = 11), 7, 7, 7, 8, 8, 9)))
d$arm <- c(rep(0:1, 33), 1, 1, 1, 0, 1, 0)  # site s7 has one arm only, site s9 one participant
d$age <- round(runif(n, 20, 60))
b <- rnorm(9, 0, 5)[as.integer(substr(d$site, 2, 2))]
d$mood <- round(pmin(60, pmax(0, 30 - 4 * d$arm + .1 * d$age + b + rnorm(n, 0, 6))))
d$yes <- as.integer(runif(n) < plogis(-.8 + 1.1 * d$arm + b / 6))
d <- d[order(d$arm), ]
write.csv(d, "rows.csv", row.names = FALSE)
say <- function(what, x) cat(what, format(x, digits = 12), "\n")
f <- lmer(mood ~ arm + (1 | site), d, control = lmerControl(optCtrl = list(ftol_abs = 1e-14, xtol_abs = 1e-14)))
say("lmer", c(coef(summary(f))["arm", ], as.data.frame(VarCorr(f))$sdcor))
say("kenward-roger", coef(summary(f, ddf = "Kenward-Roger"))["arm", ])
f <- lmer(mood ~ arm + age + (1 | site), d); say("lmer age", c(coef(summary(f))["arm", ], as.data.frame(VarCorr(f))$sdcor))
g <- glmer(yes ~ arm + (1 | site), d, binomial, nAGQ = 15, control = glmerControl(tolPwrss = 1e-12, optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10)))
say("glmer", c(coef(summary(g))["arm", 1:2], sqrt(VarCorr(g)$site[1])))
g <- glmer(yes ~ arm + age + (1 | site), transform(d, age = age / 10), binomial, nAGQ = 15, control = glmerControl(tolPwrss = 1e-12, optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10)))
say("glmer age", c(coef(summary(g))["arm", 1:2], sqrt(VarCorr(g)$site[1])))
