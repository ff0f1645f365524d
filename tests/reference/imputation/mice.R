# Outside answers for multiple imputation: R 4.2.2, mice 3.15.0 (van Buuren and Groothuis-Oudshoorn 2011).
# Rscript mice.R    writes trial.csv and answers.csv beside itself; a few minutes.
suppressPackageStartupMessages(library(mice))
set.seed(20240811)
n <- 500
arm <- rep(0:1, each = n / 2)
base <- rnorm(n)
p <- function(eta) 1 / (1 + exp(-eta))
u1 <- rbinom(n, 1, p(-0.2 - 0.6 * arm + 0.5 * base))
u2 <- rbinom(n, 1, p(-0.8 - 0.6 * arm + 0.4 * base + 1.5 * u1))
u3 <- rbinom(n, 1, p(-1.0 - 0.7 * arm + 0.3 * base + 1.2 * u2 + 0.6 * u1))
s1 <- 50 - 4 * arm + 6 * base + rnorm(n, 0, 10)
s2 <- 10 - 5 * arm + 2 * base + 0.7 * s1 + rnorm(n, 0, 8)
s3 <- 8 - 5 * arm + 1 * base + 0.4 * s2 + 0.3 * s1 + rnorm(n, 0, 9)
# Dropout depends on the last result seen (at random): those who used leave more often.
gone2 <- rbinom(n, 1, p(-2.0 + 1.2 * u1)) == 1
gone3 <- gone2 | rbinom(n, 1, p(-1.8 + 1.2 * u2)) == 1
u2[gone2] <- NA; s2[gone2] <- NA
u3[gone3] <- NA; s3[gone3] <- NA
trial <- data.frame(arm, base = round(base, 6), u1, u2, u3, s1 = round(s1, 6), s2 = round(s2, 6), s3 = round(s3, 6))
write.csv(trial, "trial.csv", row.names = FALSE, na = "")
for (name in c("u1", "u2", "u3")) trial[[name]] <- factor(trial[[name]])

m <- 300
answers <- data.frame()
keep <- function(name, fit) {
  s <- summary(pool(fit)); row <- pool(fit)$pooled
  i <- which(s$term == "arm")
  answers <<- rbind(answers, data.frame(name, estimate = s$estimate[i], se = s$std.error[i], df = s$df[i],
    fmi = row$fmi[i], between = row$b[i], within = row$ubar[i], m = m))
}
impute <- function(columns, method) {
  data <- trial[, c("arm", "base", columns)]
  pred <- make.predictorMatrix(data); pred[,] <- 0
  for (k in seq_along(columns)) pred[columns[k], c("arm", "base", columns[seq_len(k - 1)])] <- 1
  how <- setNames(rep("", ncol(data)), names(data)); how[columns[-1]] <- method
  mice(data, m = m, maxit = 1, method = how, predictorMatrix = pred, seed = 7, printFlag = FALSE)
}
yes <- impute(c("u1", "u2", "u3"), "logreg")
keep("log odds of use at visit 3", with(yes, glm(u3 ~ arm + base, family = binomial)))
keep("log odds of use at visit 2", with(yes, glm(u2 ~ arm + base, family = binomial)))
score <- impute(c("s1", "s2", "s3"), "norm")
keep("mean score at visit 3", with(score, lm(s3 ~ arm + base)))
write.csv(answers, "answers.csv", row.names = FALSE)

# Rubin's rules alone, on numbers given (df as Barnard and Rubin).
q <- c(0.52, 0.61, 0.47, 0.70, 0.58); u <- c(0.040, 0.043, 0.038, 0.045, 0.041)
r <- pool.scalar(q, u, n = 60, k = 3)
big <- pool.scalar(q, u)
write.csv(data.frame(qbar = r$qbar, t = r$t, df = r$df, fmi = r$fmi, r = r$r, df_infinite = big$df, fmi_infinite = big$fmi),
  "rubin.csv", row.names = FALSE)
