"""The reference list: what to cite for the methods that an analysis used, by the keys of the table of estimators."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from equipoise.analysis.estimate import Estimate
from equipoise.protocol.language.analysis import Analysis
from equipoise.protocol.vocabulary.estimators import ESTIMATORS

# In the order in which a report lists them.
REFERENCES: Mapping[str, str] = {
    "mccullagh-nelder-1989": (
        "McCullagh P, Nelder JA. Generalized linear models. 2nd ed. London: Chapman and Hall; 1989."
    ),
    "lawless-1987": "Lawless JF. Negative binomial and mixed Poisson regression. Can J Stat 1987;15:209-225.",
    "zou-2004": (
        "Zou G. A modified Poisson regression approach to prospective studies with binary data. Am J Epidemiol "
        "2004;159:702-706."
    ),
    "kaplan-meier-1958": (
        "Kaplan EL, Meier P. Nonparametric estimation from incomplete observations. J Am Stat Assoc 1958;53:457-481."
    ),
    "cox-1972": "Cox DR. Regression models and life-tables. J R Stat Soc B 1972;34:187-220.",
    "efron-1977": (
        "Efron B. The efficiency of Cox's likelihood function for censored data. J Am Stat Assoc 1977;72:557-565."
    ),
    "fine-gray-1999": (
        "Fine JP, Gray RJ. A proportional hazards model for the subdistribution of a competing risk. J Am Stat Assoc "
        "1999;94:496-509."
    ),
    "gray-1988": (
        "Gray RJ. A class of K-sample tests for comparing the cumulative incidence of a competing risk. Ann Stat "
        "1988;16:1141-1154."
    ),
    "aalen-johansen-1978": (
        "Aalen OO, Johansen S. An empirical transition matrix for non-homogeneous Markov chains based on censored "
        "observations. Scand J Stat 1978;5:141-150."
    ),
    "breslow-1974": "Breslow N. Covariance analysis of censored survival data. Biometrics 1974;30:89-99.",
    "grambsch-therneau-1994": (
        "Grambsch PM, Therneau TM. Proportional hazards tests and diagnostics based on weighted "
        "residuals. Biometrika 1994;81:515-526."
    ),
    "mantel-1966": (
        "Mantel N. Evaluation of survival data and two new rank order statistics arising in its "
        "consideration. Cancer Chemother Rep 1966;50:163-170."
    ),
    "peto-peto-1972": (
        "Peto R, Peto J. Asymptotically efficient rank invariant test procedures. J R Stat Soc A 1972;135:185-207."
    ),
    "royston-parmar-2013": (
        "Royston P, Parmar MKB. Restricted mean survival time: an alternative to the hazard ratio. BMC "
        "Med Res Methodol 2013;13:152."
    ),
    "cox-1958": "Cox DR. The regression analysis of binary sequences. J R Stat Soc B 1958;20:215-242.",
    "firth-1993": "Firth D. Bias reduction of maximum likelihood estimates. Biometrika 1993;80:27-38.",
    "heinze-schemper-2002": (
        "Heinze G, Schemper M. A solution to the problem of separation in logistic regression. Stat Med "
        "2002;21:2409-2419."
    ),
    "miettinen-nurminen-1985": "Miettinen O, Nurminen M. Comparative analysis of two rates. Stat Med 1985;4:213-226.",
    "mantel-haenszel-1959": (
        "Mantel N, Haenszel W. Statistical aspects of the analysis of data from retrospective studies of disease. "
        "J Natl Cancer Inst 1959;22:719-748."
    ),
    "greenland-robins-1985": (
        "Greenland S, Robins JM. Estimation of a common effect parameter from sparse follow-up data. Biometrics "
        "1985;41:55-68."
    ),
    "robins-breslow-greenland-1986": (
        "Robins J, Breslow N, Greenland S. Estimators of the Mantel-Haenszel variance consistent in both sparse data "
        "and large-strata limiting models. Biometrics 1986;42:311-323."
    ),
    "sato-1989": (
        "Sato T. On the variance estimator for the Mantel-Haenszel risk difference. Biometrics 1989;45:1323-1324."
    ),
    "yan-su-2010": (
        "Yan X, Su XG. Stratified Wilson and Newcombe confidence intervals for multiple binomial proportions. Stat "
        "Biopharm Res 2010;2:329-335."
    ),
    "mee-1984": (
        "Mee RW. Confidence bounds for the difference between two probabilities. Biometrics 1984;40:1175-1176."
    ),
    "farrington-manning-1990": (
        "Farrington CP, Manning G. Test statistics and sample size formulae for comparative binomial trials with null "
        "hypothesis of non-zero risk difference or non-unity relative risk. Stat Med 1990;9:1447-1454."
    ),
    "schuirmann-1987": (
        "Schuirmann DJ. A comparison of the two one-sided tests procedure and the power approach for assessing the "
        "equivalence of average bioavailability. J Pharmacokinet Biopharm 1987;15:657-680."
    ),
    "piaggio-2012": (
        "Piaggio G, Elbourne DR, Pocock SJ, Evans SJW, Altman DG. Reporting of noninferiority and equivalence "
        "randomized trials: extension of the CONSORT 2010 statement. JAMA 2012;308:2594-2604."
    ),
    "ge-2011": (
        "Ge M, Durham LK, Meyer RD, Xie W, Thomas N. Covariate-adjusted difference in proportions from clinical trials "
        "using logistic regression and weighted risk differences. Drug Inf J 2011;45:481-493."
    ),
    "newcombe-1998": (
        "Newcombe RG. Interval estimation for the difference between independent proportions. Stat Med 1998;17:873-890."
    ),
    "mccullagh-1980": "McCullagh P. Regression models for ordinal data. J R Stat Soc B 1980;42:109-142.",
    "neuenschwander-2010": (
        "Neuenschwander B, Capkun-Niggli G, Branson M, Spiegelhalter DJ. Summarizing historical information on "
        "controls in clinical trials. Clin Trials 2010;7:5-18."
    ),
    "schmidli-2014": (
        "Schmidli H, Gsteiger S, Roychoudhury S, O'Hagan A, Spiegelhalter D, Neuenschwander B. Robust "
        "meta-analytic-predictive priors in clinical trials with historical control information. Biometrics "
        "2014;70:1023-1032."
    ),
    "neuenschwander-2020": (
        "Neuenschwander B, Weber S, Schmidli H, O'Hagan A. Predictively consistent prior effective sample sizes. "
        "Biometrics 2020;76:578-587."
    ),
    "pocock-2012": (
        "Pocock SJ, Ariti CA, Collier TJ, Wang D. The win ratio: a new approach to the analysis of composite "
        "endpoints in clinical trials based on clinical priorities. Eur Heart J 2012;33:176-182."
    ),
    "bebu-lachin-2016": (
        "Bebu I, Lachin JM. Large sample inference for a win ratio analysis of a composite outcome based on "
        "prioritized components. Biostatistics 2016;17:178-187."
    ),
    "brunner-2021": (
        "Brunner E, Vandemeulebroecke M, Mutze T. Win odds: an adaptation of the win ratio to include ties. Stat Med "
        "2021;40:3367-3384."
    ),
    "buyse-2010": (
        "Buyse M. Generalized pairwise comparisons of prioritized outcomes in the two-sample problem. Stat Med "
        "2010;29:3245-3257."
    ),
    "bretz-2009": (
        "Bretz F, Maurer W, Brannath W, Posch M. A graphical approach to sequentially rejective multiple test "
        "procedures. Stat Med 2009;28:586-604."
    ),
    "holm-1979": "Holm S. A simple sequentially rejective multiple test procedure. Scand J Stat 1979;6:65-70.",
    "hochberg-1988": (
        "Hochberg Y. A sharper Bonferroni procedure for multiple tests of significance. Biometrika 1988;75:800-802."
    ),
    "hommel-1988": (
        "Hommel G. A stagewise rejective multiple test procedure based on a modified Bonferroni test. Biometrika "
        "1988;75:383-386."
    ),
    "westfall-krishen-2001": (
        "Westfall PH, Krishen A. Optimally weighted, fixed sequence and gatekeeper multiple testing procedures. J Stat "
        "Plan Inference 2001;99:25-40."
    ),
    "wiens-dmitrienko-2005": (
        "Wiens BL, Dmitrienko A. The fallback procedure for evaluating a single family of hypotheses. J Biopharm Stat "
        "2005;15:929-942."
    ),
    "dmitrienko-2008": (
        "Dmitrienko A, Tamhane AC, Wiens BL. General multistage gatekeeping procedures. Biom J 2008;50:667-677."
    ),
    "wilson-1927": (
        "Wilson EB. Probable inference, the law of succession, and statistical inference. J Am Stat "
        "Assoc 1927;22:209-212."
    ),
    "clopper-pearson-1934": (
        "Clopper CJ, Pearson ES. The use of confidence or fiducial limits illustrated in the case of the "
        "binomial. Biometrika 1934;26:404-413."
    ),
    "breslow-day-1980": (
        "Breslow NE, Day NE. Statistical methods in cancer research. Volume I. IARC, 1980, chapter 7."
    ),
    "gart-1969": (
        "Gart JJ. An exact test for comparing matched proportions in crossover designs. Biometrika 1969;56:75-80."
    ),
    "prescott-1981": (
        "Prescott RJ. The comparison of success rates in cross-over trials in the presence of an order effect. Appl "
        "Stat 1981;30:9-15."
    ),
    "koch-1972": (
        "Koch GG. The use of non-parametric methods in the statistical analysis of the two-period change-over design. "
        "Biometrics 1972;28:577-584."
    ),
    "fisher-1935": "Fisher RA. The logic of inductive inference. J R Stat Soc 1935;98:39-82.",
    "pinheiro-bates-1995": (
        "Pinheiro JC, Bates DM. Approximations to the log-likelihood function in the nonlinear "
        "mixed-effects model. J Comput Graph Stat 1995;4:12-35."
    ),
    "breslow-clayton-1993": (
        "Breslow NE, Clayton DG. Approximate inference in generalized linear mixed models. J Am Stat Assoc "
        "1993;88:9-25."
    ),
    "liang-zeger-1986": (
        "Liang K-Y, Zeger SL. Longitudinal data analysis using generalized linear models. Biometrika 1986;73:13-22."
    ),
    "mancl-derouen-2001": (
        "Mancl LA, DeRouen TA. A covariance estimator for GEE with improved small-sample properties. "
        "Biometrics 2001;57:126-134."
    ),
    "laird-ware-1982": "Laird NM, Ware JH. Random-effects models for longitudinal data. Biometrics 1982;38:963-974.",
    "fai-cornelius-1996": (
        "Fai AH-T, Cornelius PL. Approximate F-tests of multiple degree of freedom hypotheses in "
        "generalized least squares analyses of unbalanced split-plot experiments. J Stat Comput Simul "
        "1996;54:363-378."
    ),
    "jennrich-schluchter-1986": (
        "Jennrich RI, Schluchter MD. Unbalanced repeated-measures models with structured covariance matrices. "
        "Biometrics 1986;42:805-820."
    ),
    "mallinckrodt-2008": (
        "Mallinckrodt CH, Lane PW, Schnell D, Peng Y, Mancuso JP. Recommendations for the primary analysis of "
        "continuous endpoints in longitudinal clinical trials. Drug Inf J 2008;42:303-319."
    ),
    "kenward-roger-1997": (
        "Kenward MG, Roger JH. Small sample inference for fixed effects from restricted maximum likelihood. "
        "Biometrics 1997;53:983-997."
    ),
    "kenward-roger-2009": (
        "Kenward MG, Roger JH. An improved approximation to the precision of fixed effects from restricted maximum "
        "likelihood. Comput Stat Data Anal 2009;53:2583-2595."
    ),
    "vickers-altman-2001": (
        "Vickers AJ, Altman DG. Analysing controlled trials with baseline and follow up measurements. "
        "BMJ 2001;323:1123-1124."
    ),
    "bang-2004": (
        "Bang H, Ni L, Davis CE. Assessment of blinding in clinical trials. Control Clin Trials 2004;25:143-156."
    ),
    "james-1996": (
        "James KE, Bloch DA, Lee KK, and others. An index for assessing blindness in a multi-centre clinical "
        "trial: disulfiram for alcohol cessation. Stat Med 1996;15:1421-1434."
    ),
    "rubin-1987": "Rubin DB. Multiple imputation for nonresponse in surveys. New York: Wiley; 1987.",
    "barnard-rubin-1999": (
        "Barnard J, Rubin DB. Small-sample degrees of freedom with multiple imputation. Biometrika 1999;86:948-955."
    ),
    "carpenter-2013": (
        "Carpenter JR, Roger JH, Kenward MG. Analysis of longitudinal trials with protocol deviation: a "
        "framework for relevant, accessible assumptions, and inference via multiple imputation. J "
        "Biopharm Stat 2013;23:1352-1371."
    ),
    "von-hippel-bartlett-2021": (
        "von Hippel PT, Bartlett JW. Maximum likelihood multiple imputation: faster imputations and "
        "consistent standard errors without posterior draws. Stat Sci 2021;36:400-420."
    ),
    "wolbers-2022": (
        "Wolbers M, Noci A, Delmar P, and others. Standard and reference-based conditional mean "
        "imputation. Pharm Stat 2022;21:1246-1257."
    ),
    "tang-2018": (
        "Tang Y. Controlled pattern imputation for sensitivity analysis of longitudinal binary and ordinal outcomes "
        "with nonignorable dropout. Stat Med 2018;37:1467-1481."
    ),
    "keene-2014": (
        "Keene ON, Roger JH, Hartley BF, Kenward MG. Missing data sensitivity analysis for recurrent event data using "
        "controlled imputation. Pharm Stat 2014;13:258-264."
    ),
    "jackson-2014": (
        "Jackson D, White IR, Seaman S, and others. Relaxing the independent censoring assumption in the Cox "
        "proportional hazards model using multiple imputation. Stat Med 2014;33:4681-4694."
    ),
    "atkinson-2019": (
        "Atkinson A, Kenward MG, Clayton T, Carpenter JR. Reference-based sensitivity analysis for time-to-event data. "
        "Pharm Stat 2019;18:645-658."
    ),
}

GUIDELINES: tuple[str, ...] = (
    (
        "Hopewell S, and others. CONSORT 2025 statement: updated guideline for reporting "
        "randomised trials. BMJ 2025;389:e081123."
    ),
    (
        "Chan A-W, and others. SPIRIT 2025 statement: updated guideline for protocols of "
        "randomised trials. BMJ 2025;389:e081477."
    ),
    (
        "International Council for Harmonisation. E9(R1): addendum on estimands and "
        "sensitivity analysis in clinical trials. 2019."
    ),
)

# What the variance of an imputed analysis rests on.
_OF_VARIANCES: Mapping[str, tuple[str, ...]] = {
    "rubin": ("rubin-1987", "barnard-rubin-1999"),
    "bootstrap": ("von-hippel-bartlett-2021",),
    "jackknife": ("wolbers-2022",),
}


def cited_by(estimate: Estimate, analysis: Analysis | None) -> set[str]:
    """Keys of what to cite for one estimate: its estimator, the variant and options in force, diagnostics, imputation.

    ``analysis`` is its line of the plan; a choice that was varied replaces the line's own.
    """
    row = ESTIMATORS[estimate.estimator]
    keys = set(row.cites)
    choices = estimate.details.get("choices") or {}
    # A fallback (an exact test beside a separated regression) is its estimator in its default variant.
    own = analysis if analysis is not None and analysis.estimator == row.id else None
    method = own.method if own is not None else None
    in_force = [method or next(iter(row.variants), None)]
    if "ties" in row.options:
        in_force.append(choices.get("ties") or (own.ties if own is not None else None))
    if "nodes" in row.options:  # likelihood by quadrature, or by Laplace's approximation
        in_force.append("random-slope" if own is not None and own.random_slope else "nodes")
    for choice in in_force:
        keys |= set(row.cites_choice.get(choice, ())) if choice is not None else set()
    margin = estimate.details.get("margin")
    if margin is not None:
        keys |= {"piaggio-2012", *(("schuirmann-1987",) if margin["objective"] == "equivalence" else ())}
    if estimate.details.get("proportional_hazards_p_value") is not None:
        keys.add("grambsch-therneau-1994")
    if analysis is not None and analysis.imputation is not None:
        keys |= set(_OF_VARIANCES[analysis.imputation.variance])
        what = estimate.details.get("imputed_as")
        if analysis.imputation.after_dropout != "at-random":
            keys.add("atkinson-2019" if what == "times" else "carpenter-2013")
        keys |= {"counts": {"keene-2014"}, "times": {"jackson-2014"}}.get(str(what), set())
        if what == "yes-or-no" and analysis.imputation.is_latent:
            keys |= {"tang-2018"}
    return keys


def references_for(keys: Iterable[str]) -> list[str]:
    """The references of some keys, each once, in the order of the list."""
    wanted = set(keys)
    return [reference for key, reference in REFERENCES.items() if key in wanted]
