library(survival)
set.seed(1); n<-60
d<-data.frame(t=ceiling(rexp(n,1/8)*2)/2,x=rep(0:1,30),z=round(rnorm(n),2),s=rep(1:3,20),id=rep(1:20,3))
d$e<-as.integer(d$t<=12 & runif(n)<.8); d$t<-pmin(d$t,12)
write.csv(d,"rows.csv",row.names=FALSE)
f<-coxph(Surv(t,e)~x+z+strata(s)+cluster(id),d,ties="efron"); print(format(c(coef(f),sqrt(diag(f$var)),sqrt(diag(f$naive.var))),digits=12))
g<-coxph(Surv(t,e)~x+z+strata(s),d); q<-cox.zph(g,"km",global=TRUE); print(q$table,digits=12); print(format(colSums(q$y^2),digits=12)); print(format(q$y[1,],digits=12))
