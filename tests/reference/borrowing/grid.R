# The meta-analytic-predictive distribution on a plain three-dimensional grid, to hold the quadrature against.
# Base R only; cells of the studies' own parameters are taken by pnorm, so that no heterogeneity is too small.
# Run: Rscript grid.R > grid.json
grid_map <- function(loglik, scale, mu_mean, mu_sd, value, low, high, tau_high) {
  edges <- seq(low, high, length.out = 2401)
  theta <- (head(edges, -1) + tail(edges, -1)) / 2
  l <- exp(sapply(loglik, function(f) { v <- f(theta); v - max(v) }))
  mu <- seq(low * 0.6 + high * 0.4 - (high - low) * 0.35, low * 0.4 + high * 0.6 + (high - low) * 0.15, length.out = 301)
  tau <- (seq_len(300) - 0.5) / 300 * tau_high
  next_theta <- numeric(length(theta)); total <- 0; tau_mean <- 0
  for (t in tau) {
    z <- outer(edges, mu, function(e, m) pnorm((e - m) / t))
    cell <- z[-1, ] - z[-nrow(z), ]
    w <- apply(t(cell) %*% l, 1, prod) * dnorm(mu, mu_mean, mu_sd) * dnorm(t / scale)
    next_theta <- next_theta + cell %*% w
    total <- total + sum(w); tau_mean <- tau_mean + t * sum(w)
  }
  p <- as.vector(next_theta) / sum(next_theta)
  x <- value(theta); m <- sum(p * x); cum <- cumsum(p)
  q <- sapply(c(0.025, 0.25, 0.5, 0.75, 0.975), function(a) value(approx(cum, edges[-1], a)$y))
  list(mean = m, sd = sqrt(sum(p * (x - m)^2)), quantiles = q, tau_mean = tau_mean / total)
}
binomial_map <- function(r, n, scale, tau_high) {
  f <- lapply(seq_along(r), function(i) function(th) r[i] * th - n[i] * log1p(exp(th)))
  c(list(result = r, size = n, scale = scale), grid_map(f, scale, 0, 2, plogis, -14, 14, tau_high))
}
poisson_map <- function(y, e, scale, tau_high) {
  f <- lapply(seq_along(y), function(i) function(th) y[i] * th - e[i] * exp(th))
  c(list(result = y, size = e, scale = scale), grid_map(f, scale, log(sum(y) / sum(e)), 5, exp, -12, 10, tau_high))
}
normal_map <- function(y, s, scale, sd_mu, tau_high) {
  f <- lapply(seq_along(y), function(i) function(th) dnorm(y[i], th, s[i], log = TRUE))
  c(list(result = y, size = s, scale = scale, sd_mu = sd_mu), grid_map(f, scale, 0, sd_mu, identity, -350, 250, tau_high))
}
n <- c(74, 166, 328, 20, 25, 58)
out <- list(
  program = paste("R", getRversion()),
  spondylitis = binomial_map(c(23, 12, 19, 9, 39, 6, 9, 10), c(107, 44, 51, 39, 139, 20, 78, 35), 1, 3),
  one_study = binomial_map(12, 50, 0.5, 2.5),
  few_events = binomial_map(c(0, 0, 1), c(20, 30, 45), 0.5, 2.5),
  all_events = binomial_map(c(20, 14), c(20, 15), 0.5, 2.5),
  rates = poisson_map(c(30, 44, 20, 3), c(10, 21, 12, 5), 0.5, 2.5),
  crohn = normal_map(c(-51, -49, -36, -47, -90, -54), 88 / sqrt(n), 44, 88, 130)
)
flat <- function(x) {
  if (is.list(x)) paste0("{", paste0('"', names(x), '": ', sapply(x, flat), collapse = ",\n "), "}")
  else if (is.character(x)) paste0('"', x, '"')
  else if (length(x) > 1) paste0("[", paste(signif(x, 9), collapse = ", "), "]")
  else as.character(signif(x, 9))
}
cat(flat(out), "\n")
