# Win ratio, win odds and net benefit with their errors, in plain R 4.2: every pair in a matrix, no package.
# Run in this folder: Rscript win_ratio.R. Writes win_ratio_data.csv and win_ratio.csv.
set.seed(4601)
n <- 44
d <- data.frame(id = 1:n, arm = rep(0:1, length.out = n), stratum = rep(c("a", "a", "b"), length.out = n))
death <- ceiling(rexp(n, 0.01 * exp(-0.6 * d$arm))); cens <- sample(60:120, n, TRUE)
d$time <- pmin(death, cens); d$event <- as.integer(death <= cens)
d$response <- rbinom(n, 1, 0.3 + 0.2 * d$arm); d$response[c(5, 18)] <- NA
d$score <- round(rnorm(n, 20 - 3 * d$arm, 5)); d$score[c(2, 9, 30)] <- NA
write.csv(d, "win_ratio_data.csv", row.names = FALSE, na = "")
# 1 where the row's participant wins, -1 where the column's does, 0 where undecided
by_time <- function(x, y, margin) { r <- matrix(0, nrow(x), nrow(y)); for (i in 1:nrow(x)) for (j in 1:nrow(y)) {
  if (y$event[j] == 1 && x$time[i] > y$time[j] + margin) r[i, j] <- 1
  if (x$event[i] == 1 && y$time[j] > x$time[i] + margin) r[i, j] <- -1
  if (margin == 0 && x$time[i] == y$time[j] && x$event[i] != y$event[j]) r[i, j] <- if (y$event[j] == 1) 1 else -1 }; r }
by_number <- function(a, b, margin) { m <- outer(a, b, "-"); r <- (m > margin) - (m < -margin); r[is.na(r)] <- 0; r }
decide <- function(x, y) { l <- list(by_time(x, y, 0), by_number(x$response, y$response, 0), by_number(-x$score, -y$score, 2))
  r <- l[[1]]; for (k in 2:3) r <- ifelse(r == 0, l[[k]], r); list(result = r, first = l) }
one <- function(parts, name) { N <- sapply(parts, function(p) nrow(p$x) + nrow(p$y)); v <- sapply(parts, function(p) nrow(p$x) * nrow(p$y)) / N; v <- v / sum(v)
  W <- L <- 0; a <- b <- numeric(0)
  for (k in seq_along(parts)) { r <- decide(parts[[k]]$x, parts[[k]]$y)$result; w <- r == 1; l <- r == -1; W <- W + v[k] * mean(w); L <- L + v[k] * mean(l)
    a <- c(a, v[k] * (rowMeans(w) - mean(w)) / nrow(w), v[k] * (colMeans(w) - mean(w)) / ncol(w)); b <- c(b, v[k] * (rowMeans(l) - mean(l)) / nrow(l), v[k] * (colMeans(l) - mean(l)) / ncol(l)) }
  se <- sqrt(sum((a / W - b / L)^2)); net <- W - L; sn <- sqrt(sum((a - b)^2)); z <- qnorm(0.975); so <- 2 * sn / (1 - net^2); odds <- (1 + net) / (1 - net)
  data.frame(analysis = name, quantity = c("win ratio", "SE log win ratio", "lower", "upper", "net benefit", "SE net benefit", "net lower", "net upper", "win odds", "odds lower", "odds upper", "p of net benefit"),
    value = c(W / L, se, W / L * exp(c(-1, 1) * z * se), net, sn, tanh(atanh(net) + c(-1, 1) * z * so / 2), odds, odds * exp(c(-1, 1) * z * so), 2 * pnorm(-abs(log(odds) / so)))) }
x <- d[d$arm == 1, ]; y <- d[d$arm == 0, ]
r <- decide(x, y); open <- matrix(TRUE, nrow(x), nrow(y)); counts <- NULL
for (k in 1:3) { m <- r$first[[k]]; counts <- rbind(counts, data.frame(analysis = "all", quantity = paste(c("won", "lost"), "at level", k), value = c(sum(open & m == 1), sum(open & m == -1)))); open <- open & m == 0 }
out <- rbind(one(list(list(x = x, y = y)), "all"), counts, one(lapply(c("a", "b"), function(s) list(x = x[x$stratum == s, ], y = y[y$stratum == s, ])), "stratified"))
out$value <- signif(out$value, 12); write.csv(out, "win_ratio.csv", row.names = FALSE)
