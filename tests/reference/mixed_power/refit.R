# Refits the trials of trials.csv by lme4: random-intercept logistic regression, 15 quadrature nodes, Wald p.
#   Rscript refit.R     (R 4, lme4; some minutes)
suppressMessages(library(lme4))
trials <- read.csv("trials.csv", colClasses = c("integer", "integer", "integer", "character"))
weeks <- read.csv("weeks.csv")$week
rows <- list()
for (k in unique(trials$trial)) {
  one <- trials[trials$trial == k, ]
  letters <- strsplit(one$word, "")
  long <- do.call(rbind, lapply(seq_len(nrow(one)), function(i) {
    data.frame(id = i, arm = one$arm[i], route = one$route[i], week = weeks, letter = letters[[i]])
  }))
  long <- long[long$letter != "o", ]
  long$use <- as.integer(long$letter == "+")
  said <- ""
  fit <- withCallingHandlers(
    glmer(use ~ arm + route + week + (1 | id), data = long, family = binomial, nAGQ = 15),
    warning = function(w) { said <<- "warned"; invokeRestart("muffleWarning") },
    message = function(m) { said <<- "warned"; invokeRestart("muffleMessage") })
  line <- summary(fit)$coefficients["arm", ]
  rows[[length(rows) + 1]] <- data.frame(trial = k, estimate = line[1], standard_error = line[2],
    p = line[4], sd = sqrt(VarCorr(fit)$id[1]), log_likelihood = as.numeric(logLik(fit)), said = said)
}
found <- do.call(rbind, rows)
write.csv(format(found, digits = 10, trim = TRUE), "lme4.csv", row.names = FALSE, quote = FALSE)
cat(R.version.string, "lme4", as.character(packageVersion("lme4")), "\n", file = "versions.txt")
