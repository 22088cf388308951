# Answers of R's packages that tests compare with: Rscript answers.R, in this folder, writes answers.json.
# Data are the CSV files of ../responses and ../reference, and R's own iris.
suppressPackageStartupMessages({
  library(jsonlite); library(MASS); library(pscl); library(ordinal); library(VGAM)
  library(brglm2); library(sandwich); library(lmtest); library(statmod); library(numDeriv)
})

frame_of <- function(folder, name, ordered = character()) {
  path <- file.path("..", folder, name)
  d <- read.csv(paste0(path, ".data.csv.gz"), check.names = FALSE)
  case <- fromJSON(paste0(path, ".json"), simplifyVector = FALSE)
  levels <- if (length(case$xlevels)) case$xlevels else case$factor_levels
  for (k in names(levels)) d[[k]] <- factor(as.character(d[[k]]), unlist(levels[[k]]), ordered = k %in% ordered)
  d
}

# Optimisers stop early; Newton's method on the log-likelihood of the package's own densities does not.
# The package's answer must be the same to `close` standard errors.
polish <- function(loglik, start, se, close = 1e-2) {
  b <- start
  for (i in 1:8) {
    # Differences are taken in units of the standard errors.
    if (i > 1) se <- sqrt(diag(V))
    f <- function(z) loglik(b + z * se)
    H <- hessian(f, 0 * b, method.args = list(eps = 0.01))
    step <- -solve(H, grad(f, 0 * b, method.args = list(eps = 0.01)))
    V <- solve(-H) * outer(se, se)
    b <- b + step * se
  }
  stopifnot(max(abs(step)) < 1e-7, max(abs(b - start) / sqrt(diag(V))) < close)
  list(coef = unname(b), se = unname(sqrt(diag(V))), loglik = loglik(b))
}

# -- counts with zeros: pscl

biochem <- frame_of("responses", "v_nb_biochem")
X <- model.matrix(~ fem + mar + kid5 + phd + ment, biochem)
Z <- model.matrix(~ fem + ment, biochem)
zero_answers <- function() {
  fo <- art ~ fem + mar + kid5 + phd + ment | fem + ment
  y <- biochem$art
  p <- ncol(X)
  parts <- function(b) list(mu = exp(drop(X %*% b[1:p])), pi = plogis(drop(Z %*% b[p + 1:ncol(Z)])),
                            size = exp(-b[p + ncol(Z) + 1]))
  loglik <- list(
    zeroinfl_poisson = function(b) with(parts(b), sum(dzipois(y, mu, pi, log = TRUE))),
    zeroinfl_negbin = function(b) with(parts(b), sum(dzinegbin(y, size, munb = mu, pstr0 = pi, log = TRUE))),
    hurdle_poisson = function(b) with(parts(b), sum(ifelse(y == 0, log1p(-pi), log(pi) + dpois(y, mu, TRUE) - log(-expm1(-mu))))),
    hurdle_negbin = function(b) with(parts(b), sum(ifelse(y == 0, log1p(-pi), log(pi) + dnbinom(y, size, mu = mu, log = TRUE) -
      log1p(-dnbinom(0, size, mu = mu)))))
  )
  out <- list()
  for (model in c("zeroinfl", "hurdle")) for (dist in c("poisson", "negbin")) {
    fit <- get(model, asNamespace("pscl"))
    control <- if (model == "zeroinfl") zeroinfl.control(reltol = 1e-15) else hurdle.control(reltol = 1e-15)
    m <- fit(fo, biochem, dist = dist, control = control)
    start <- c(coef(m), if (dist == "negbin") -log(m$theta[[1]]))
    se <- c(sqrt(diag(vcov(m))), if (dist == "negbin") m$SE.logtheta)
    answer <- polish(loglik[[paste(model, dist, sep = "_")]], unname(start), unname(se))
    stopifnot(abs(answer$loglik - as.numeric(logLik(m))) < 1e-6)
    answer$package <- list(coef = unname(start), se = unname(sqrt(diag(vcov(m)))), theta = if (dist == "negbin") m$theta[[1]],
                           SE.logtheta = if (dist == "negbin") unname(m$SE.logtheta),
                           prob_zero = unname(head(predict(m, type = "prob")[, 1], 5)), mean = unname(head(predict(m, type = "response"), 5)))
    out[[paste(model, dist, sep = "_")]] <- answer
  }
  out
}

# -- Dirichlet, beta and negative binomials of other powers: VGAM (expected information)

control <- vglm.control(epsilon = 1e-13, maxit = 1000, criterion = "coefficients")
vglm_answer <- function(m, order = seq_along(coef(m))) {
  list(coef = unname(coef(m))[order], se = unname(sqrt(diag(vcov(m))))[order],
       names = names(coef(m))[order])
}

dirichlet_answers <- function() {
  shares <- as.matrix(iris[, 1:3]) / rowSums(iris[, 1:3])
  m <- vglm(shares ~ Petal.Width, VGAM::dirichlet, iris, control = control)
  X <- cbind(1, iris$Petal.Width)
  # The coefficients of one share after the other.
  loglik <- function(b) {
    shape <- exp(X %*% matrix(b, 2))
    sum(lgamma(rowSums(shape)) - rowSums(lgamma(shape)) + rowSums((shape - 1) * log(shares)))
  }
  answer <- vglm_answer(m, c(1, 4, 2, 5, 3, 6))
  c(answer, list(shares = shares, x = iris$Petal.Width, observed = polish(loglik, answer$coef, answer$se)))
}

beta_answers <- function() {
  food <- frame_of("responses", "v_beta_food")
  gasoline <- frame_of("responses", "v_beta_gasoline")
  links <- list(logit = "logitlink", probit = "probitlink", cloglog = "clogloglink", cauchit = "cauchitlink")
  out <- list()
  for (link in names(links)) {
    family <- do.call(betaff, list(lmu = links[[link]], lphi = "loglink", zero = NULL))
    m <- vglm(share ~ income + persons, family, food, control = control)
    order <- c(1, 3, 5, 2, 4, 6)
    X <- model.matrix(~ income + persons, food)
    inverse <- make.link(link)$linkinv
    loglik <- function(b) {
      mu <- inverse(drop(X %*% b[1:3])); phi <- exp(drop(X %*% b[4:6]))
      sum(dbeta(food$share, mu * phi, (1 - mu) * phi, log = TRUE))
    }
    answer <- vglm_answer(m, order)
    out[[paste0("food_", link)]] <- c(answer, list(observed = polish(loglik, answer$coef, answer$se)))
  }
  m <- vglm(yield ~ batch + temp, betaff(lphi = "identitylink", zero = 2), gasoline, control = control)
  out$gasoline <- vglm_answer(m, c(1, 3:12, 2))
  out
}

nb_answers <- function() {
  out <- list()
  for (power in c(1, 1.5, 3)) {
    # log(size) = (2 - power) log(mu) - log(alpha)
    constraints <- rep(list(rbind(1, 2 - power)), ncol(X))
    names(constraints) <- attr(terms(~ fem + mar + kid5 + phd + ment), "term.labels")[seq_len(ncol(X) - 1)]
    constraints <- c(list("(Intercept)" = diag(2)), constraints[-ncol(X)])
    m <- vglm(art ~ fem + mar + kid5 + phd + ment, negbinomial(zero = NULL, parallel = FALSE), biochem,
              constraints = constraints, control = control)
    b <- unname(coef(m))
    # VGAM's second coefficient is the intercept of log(size).
    start <- c(b[c(1, 3:7)], (2 - power) * b[1] - b[2])
    loglik <- function(b) {
      mu <- exp(drop(X %*% b[1:6]))
      sum(dnbinom(biochem$art, exp((2 - power) * log(mu) - b[7]), mu = mu, log = TRUE))
    }
    answer <- polish(loglik, start, rep(0.1, 7))
    stopifnot(abs(answer$loglik - logLik(m)) < 1e-6)
    out[[paste0("power_", power)]] <- c(answer, list(package = list(coef = start)))
  }
  out
}

# -- ordered responses: ordinal

ordinal_answers <- function() {
  housing <- frame_of("responses", "v_polr_housing_logit", "Sat")
  X <- model.matrix(~ Infl + Type + Cont, housing)[, -1]
  y <- as.integer(housing$Sat)
  cdf <- list(logit = plogis, probit = pnorm, cloglog = function(z) -expm1(-exp(z)), loglog = function(z) exp(-exp(-z)), cauchit = pcauchy)
  out <- list()
  for (link in names(cdf)) {
    m <- clm(Sat ~ Infl + Type + Cont, data = housing, weights = Freq, link = link,
             control = clm.control(gradTol = 1e-12, maxIter = 200))
    order <- c(3:8, 1:2)
    se <- unname(sqrt(diag(vcov(m))))[order]
    coef <- unname(coef(m))[order]
    loglik <- function(b) {
      ends <- c(-Inf, b[7:8], Inf)
      eta <- drop(X %*% b[1:6])
      sum(housing$Freq * log(cdf[[link]](ends[y + 1] - eta) - cdf[[link]](ends[y] - eta)))
    }
    # clm takes 1e5 for infinity, beyond which a Cauchy distribution still has 3e-6 of its mass.
    exact <- link != "cauchit"
    nominal <- if (link %in% c("logit", "probit", "cloglog")) {
      clm(Sat ~ 1, nominal = ~ Infl + Type + Cont, data = housing, weights = Freq, link = link)
    }
    out[[link]] <- c(if (exact) list(coef = coef, se = se, loglik = as.numeric(logLik(m))), list(polished = polish(loglik, coef, se, 1e-3)),
      if (!is.null(nominal)) list(nominal_LR = 2 * (as.numeric(logLik(nominal)) - as.numeric(logLik(m))))
    )
  }
  out
}

# -- bias reduction: brglm2

bias_answers <- function() {
  vaso <- frame_of("reference", "v_bin_cauchit_vaso")
  lizards <- frame_of("reference", "v_bin_logit_birthwt")
  endometrial <- frame_of("reference", "v_sep_endometrial")
  warp <- frame_of("reference", "v_poi_sqrt_warpbreaks")
  cpus <- frame_of("reference", "v_gam_log_cpus")
  clotting <- frame_of("reference", "v_gam_inverse_clotting_long")
  cases <- list(
    birthwt_logit = list(low ~ age + lwt + race + smoke, binomial(), lizards),
    birthwt_cloglog = list(low ~ age + lwt + race + smoke, binomial("cloglog"), lizards),
    birthwt_cauchit = list(low ~ lwt + race + smoke, binomial("cauchit"), lizards),
    endometrial_cloglog = list(HG ~ NV + PI + EH, binomial("cloglog"), endometrial),
    vaso_cauchit = list(Y ~ Volume + Rate, binomial("cauchit"), vaso),
    vaso_probit = list(Y ~ Volume + Rate, binomial("probit"), vaso),
    warpbreaks_log = list(breaks ~ wool * tension, poisson(), warp),
    warpbreaks_sqrt = list(breaks ~ wool * tension, poisson("sqrt"), warp),
    clotting_inverse = list(time ~ lot * log(u), Gamma(), clotting),
    clotting_log = list(time ~ lot * log(u), Gamma("log"), clotting),
    cpus_log = list(perf ~ log(mmax) + cach, Gamma("log"), cpus),
    cpus_inverse_gaussian = list(perf ~ log(mmax) + cach, inverse.gaussian("log"), cpus),
    cpus_gaussian_log = list(perf ~ log(mmax) + cach, gaussian("log"), cpus)
  )
  out <- list()
  for (name in names(cases)) for (type in c("AS_mean", "AS_median")) {
    case <- cases[[name]]
    m <- glm(case[[1]], case[[2]], case[[3]], method = "brglmFit", type = type, epsilon = 1e-12, maxit = 20000)
    s <- summary(m)
    out[[name]][[type]] <- list(
      formula = deparse(case[[1]]), link = m$family$link, coef = unname(coef(m)), se = unname(s$coefficients[, 2]),
      dispersion = s$dispersion, deviance = m$deviance, converged = m$converged)
  }
  out
}

# Firth's penalised likelihood of Heinze & Schemper (2002) maximised by optim, its profile ends by uniroot.
firth_answers <- function() {
  d <- frame_of("reference", "v_sep_endometrial")
  X <- model.matrix(~ NV + PI + EH, d)
  S <- diag(c(1, 1, 0.1, 1))
  X <- X %*% S
  penalised <- function(b) {
    mu <- plogis(drop(X %*% b))
    sum(dbinom(d$HG, 1, mu, log = TRUE)) + 0.5 * as.numeric(determinant(crossprod(X, mu * (1 - mu) * X))$modulus)
  }
  held <- function(j, value, start) {
    f <- function(free) { b <- numeric(4); b[-j] <- free; b[j] <- value; -penalised(b) }
    free <- start[-j]
    for (i in 1:3) free <- optim(free, f, gr = function(free) grad(f, free), method = "BFGS", control = list(reltol = 1e-16, maxit = 1000))$par
    -f(free)
  }
  m <- glm(HG ~ NV + PI + EH, binomial(), d, method = "brglmFit", type = "AS_mean", epsilon = 1e-13, maxit = 5000)
  best <- unname(solve(S, coef(m)))
  top <- penalised(best)
  stopifnot(max(abs(grad(penalised, best))) < 1e-7)
  se <- unname(solve(S, sqrt(diag(vcov(m)))))
  ends <- chi2 <- NULL
  for (j in 1:4) {
    excess <- function(value) 2 * (top - held(j, value, best)) - qchisq(0.95, 1)
    low <- uniroot(excess, best[j] + c(-12, -1e-3) * se[j], tol = 1e-10)$root
    high <- uniroot(excess, best[j] + c(1e-3, 12) * se[j], tol = 1e-10)$root
    ends <- rbind(ends, c(low, high) * S[j, j])
    chi2 <- c(chi2, 2 * (top - held(j, 0, best)))
  }
  # Without the constant the units of X's columns cancel.
  list(coef = drop(S %*% best), chi2 = chi2, profile = ends, penalised = top - sum(log(diag(S))))
}

# -- covariances and tests: sandwich, lmtest, statmod, pscl

glm_cases <- function() {
  insurance <- frame_of("reference", "v_poi_offset_insurance")
  list(
    phd = list(articles ~ gender + married + kids + prestige, poisson(), frame_of("reference", "v_poi_log_phd"), "prestige", "mentor"),
    birthwt = list(low ~ age + lwt + race + smoke, binomial("cloglog"), frame_of("reference", "v_bin_logit_birthwt"), "age", "race"),
    cpus = list(perf ~ log(mmin) + log(mmax) + chmin, Gamma("log"), frame_of("reference", "v_gam_log_cpus"), "chmin", "chmax"),
    warpbreaks = list(breaks ~ wool * tension, poisson("sqrt"), frame_of("reference", "v_poi_sqrt_warpbreaks"), "wool:tension", "tension"),
    insurance = list(Claims ~ District + offset(log(Holders)), quasipoisson(), insurance, "District", "Group")
  )
}

# The deviance alone stops too early: further steps from where it did.
tight <- glm.control(epsilon = 1e-15, maxit = 500)
exact_fit <- function(x, y, ..., start, control) {
  fit <- suppressWarnings(glm.fit(x, y, ..., control = tight))
  for (i in 1:30) fit <- suppressWarnings(glm.fit(x, y, ..., start = fit$coefficients, control = tight))
  fit
}
inference_answers <- function() {
  out <- list()
  for (name in names(glm_cases())) {
    # update() looks for them outside of this function.
    case <<- glm_cases()[[name]]
    d <<- case[[3]]
    m <- glm(case[[1]], case[[2]], d, method = exact_fit)
    n <- nrow(d)
    first <- rep(1:ceiling(n / 4), each = 4)[1:n]
    second <- (seq_len(n) * 7) %% 11
    robust <- vcovHC(m, type = "HC3")
    # 0 stands for the normal distribution.
    df <- if (case[[2]]$family %in% c("poisson", "binomial")) 0 else m$df.residual
    smaller <- update(m, as.formula(paste(". ~ . -", case[[4]])))
    one <- list(
      coef = unname(coef(m)),
      covariance = sapply(c("HC0", "HC1", "HC2", "HC3", "HC4"), function(type) unname(vcovHC(m, type = type)), simplify = FALSE),
      newey_west = unname(NeweyWest(m, lag = 3, prewhite = FALSE)),
      newey_west_adjusted = unname(NeweyWest(m, lag = 3, prewhite = FALSE, adjust = TRUE)),
      cluster = unname(vcovCL(m, first, type = "HC0")),
      cluster_HC1 = unname(vcovCL(m, first, type = "HC1")),
      two_way = unname(vcovCL(m, list(first, second), type = "HC0", multi0 = FALSE)),
      dropped = case[[4]], added = case[[5]],
      waldtest = unlist(waldtest(smaller, m, test = "Chisq")[2, c("Chisq", "Pr(>Chisq)")]),
      waldtest_F = unlist(waldtest(smaller, m, test = "F")[2, c("F", "Pr(>F)")]),
      waldtest_HC3 = unlist(waldtest(smaller, m, vcov = function(x) vcovHC(x, type = "HC3"), test = "Chisq")[2, c("Chisq", "Pr(>Chisq)")]),
      coeftest_HC3 = unname(unclass(coeftest(m, vcov = robust, df = df))[, 4]),
      coefci_HC3 = unname(coefci(m, vcov = robust, df = df)),
      lrtest = if (case[[2]]$family != "quasipoisson") unlist(lrtest(smaller, m)[2, c("Chisq", "Pr(>Chisq)")])
    )
    if (is.numeric(d[[case[[5]]]])) one$score <- unname(glm.scoretest(m, d[[case[[5]]]], dispersion = if (case[[2]]$family == "poisson") 1))
    sequential <- anova(m, test = "Rao")
    dropped <- drop1(m, test = "Rao")
    one$anova_Rao <- list(statistic = sequential[-1, "Rao"], p = sequential[-1, "Pr(>Chi)"])
    one$drop1_Rao <- list(statistic = dropped[-1, ncol(dropped) - 1], p = dropped[-1, ncol(dropped)])
    if (df > 0) {
      by_F <- anova(m, test = "F")
      one$anova_F <- list(statistic = by_F[-1, "F"], p = by_F[-1, "Pr(>F)"])
    }
    terms <- predict(m, type = "terms")
    one$terms <- unname(terms[c(1:3, n), , drop = FALSE])
    if (case[[2]]$family != "quasipoisson") {
      best <- step(m, trace = 0)
      one$step <- list(terms = attr(terms(best), "term.labels"), aic = AIC(best))
    }
    if (case[[2]]$family == "Gamma") one$qresiduals <- unname(qresiduals(m))
    if (case[[2]]$family %in% c("poisson", "binomial")) {
      sink(nullfile()); one$pR2 <- as.list(pR2(m)); sink()
    }
    out[[name]] <- one
  }
  out
}

confint_answers <- function() {
  # As MASS has it: interpolated by a spline, good to some 1e-3 standard errors.
  cpus <- frame_of("reference", "v_gam_log_cpus")
  m <- glm(perf ~ log(mmin) + log(mmax) + chmin, Gamma("log"), cpus, method = exact_fit)
  nb <- glm.nb(art ~ fem + mar + kid5 + phd + ment, biochem, control = tight)
  suppressMessages(list(gamma = unname(confint(m)), glm_nb = unname(confint(nb)), odTest = as.numeric(2 * (logLik(nb) -
    logLik(glm(art ~ fem + mar + kid5 + phd + ment, poisson(), biochem))))))
}

packages <- c("MASS", "pscl", "ordinal", "VGAM", "brglm2", "sandwich", "lmtest", "statmod", "numDeriv")
answers <- list(
  R = R.version.string,
  packages = sapply(packages, function(p) as.character(packageVersion(p)), simplify = FALSE),
  zeros = zero_answers(), dirichlet = dirichlet_answers(), beta = beta_answers(), negative_binomial_p = nb_answers(),
  ordinal = ordinal_answers(), bias = bias_answers(), firth = firth_answers(), inference = inference_answers(),
  confint = confint_answers()
)
write(toJSON(answers, digits = NA, auto_unbox = TRUE, null = "null", na = "null", pretty = 1), "answers.json")
