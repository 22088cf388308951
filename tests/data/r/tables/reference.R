options(digits=17)
w <- function(x, f) write.csv(x, f, row.names=FALSE)
m <- mtcars; m$car <- rownames(mtcars); rownames(m) <- NULL
w(m, "mtcars.csv")
wb <- warpbreaks; w(wb, "warpbreaks.csv")
lot <- data.frame(u=c(5,10,15,20,30,40,60,80,100), lot1=c(118,58,42,35,27,25,21,19,18))
w(lot, "clotting.csv")
fits <- list(
 am=glm(am ~ wt, binomial, m, control=list(epsilon=1e-15,maxit=100)), am2=glm(am ~ hp + disp, binomial, m, control=list(epsilon=1e-15,maxit=100)),
 breaks=glm(breaks ~ wool + tension, poisson, wb, control=list(epsilon=1e-15,maxit=100)),
 lot1=glm(lot1 ~ log(u), Gamma, lot, control=list(epsilon=1e-15,maxit=100)), mpg=glm(mpg ~ wt + qsec, gaussian, m), lotlog=glm(lot1 ~ u, Gamma("log"), lot, control=list(epsilon=1e-15,maxit=100)))
td <- NULL; gl <- NULL; au <- NULL
for (n in names(fits)) { f <- fits[[n]]; s <- summary(f)$coefficients
 ci <- suppressMessages(confint(f)); cd <- confint.default(f)
 td <- rbind(td, data.frame(model=n, term=rownames(s), estimate=s[,1], std.error=s[,2], statistic=s[,3], p.value=s[,4], conf.low=cd[,1], conf.high=cd[,2], profile.low=ci[,1], profile.high=ci[,2]))
 gl <- rbind(gl, data.frame(model=n, null.deviance=f$null.deviance, df.null=f$df.null, logLik=as.numeric(logLik(f)), AIC=AIC(f), BIC=BIC(f), deviance=f$deviance, df.residual=f$df.residual, nobs=nobs(f)))
 inf <- influence(f)
 au <- rbind(au, data.frame(model=n, .fitted=predict(f), .se.fit=predict(f,se.fit=TRUE)$se.fit, .resid=residuals(f), .hat=inf$hat, .sigma=inf$sigma, .cooksd=cooks.distance(f), .std.resid=rstandard(f)))
}
w(td,"tidy.csv"); w(gl,"glance.csv"); w(au,"augment.csv")
options(digits=7, width=120)
for (n in names(fits)) { cat("##", n, "\n"); printCoefmat(summary(fits[[n]])$coefficients, digits=4, signif.stars=TRUE, signif.legend=FALSE) }
