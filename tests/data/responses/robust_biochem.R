# Makes robust_biochem.json; run in the folder of the project.
suppressMessages({library(pscl); library(sandwich); library(ordinal); library(jsonlite)})
d <- read.csv(gzfile("tests/data/responses/v_nb_biochem.data.csv.gz"), stringsAsFactors=TRUE)
d$group <- (seq_len(nrow(d)) * 7) %% 40
d$level <- pmin(d$art, 3)
ctl <- zeroinfl.control(reltol=1e-15, maxit=10000)
z <- zeroinfl(art ~ phd + ment | ment, data=d, control=ctl)
h <- hurdle(art ~ phd + ment | ment, data=d, control=hurdle.control(reltol=1e-15, maxit=10000))
o <- clm(factor(level, ordered=TRUE) ~ phd + ment, data=d, control=clm.control(gradTol=1e-10))
rob <- function(m) list(coef=unname(coef(m)), names=names(coef(m)), meat=crossprod(estfun(m)), meat_cluster=crossprod(rowsum(estfun(m), d$group)), pearson=residuals(m,"pearson"))
out <- list(zeroinfl=rob(z), hurdle=rob(h))
out$clm <- list(coef=unname(coef(o)), names=names(coef(o)), hc0=sandwich(o), cluster=vcovCL(o, cluster=d$group, type="HC0", cadjust=TRUE))
for (n in names(out)) if (n != "clm") { out[[n]]$pearson <- unname(out[[n]]$pearson[1:40]); out[[n]]$meat <- unname(out[[n]]$meat); out[[n]]$meat_cluster <- unname(out[[n]]$meat_cluster) }
out$clm$hc0 <- unname(out$clm$hc0); out$clm$cluster <- unname(out$clm$cluster)
# if(!is.null(out[[n]]$r)) out[[n]]$r <- unname(out[[n]]$r[1:40]); out[[n]]$hc0 <- unname(out[[n]]$hc0); out[[n]]$cluster <- unname(out[[n]]$cluster)}
out$made_with <- paste("R", getRversion(), "sandwich", packageVersion("sandwich"), "pscl", packageVersion("pscl"), "ordinal", packageVersion("ordinal"))
write(toJSON(out, digits=15, auto_unbox=TRUE), "tests/data/responses/robust_biochem.json")
