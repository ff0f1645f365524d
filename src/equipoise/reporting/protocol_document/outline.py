"""The sections of a protocol in the order and with the numbers of ICH M11 (Step 4, November 2025).

Numbers and names of sections are the template's; what belongs in each is said in our words. Sections that the template
makes optional stand here too and are left out where the protocol file has nothing for them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OutlineSection:
    """A section: its number, its name, one line of what belongs there, and whether it may be left out."""

    number: str
    name: str
    belongs: str = ""
    optional: bool = False

    @property
    def level(self) -> int:
        """1 for a chapter, 2 for its sections, 3 for what is below."""
        return min(self.number.count(".") + 1, 3)

    @property
    def title(self) -> str:
        """Number and name as the heading has them."""
        return f"{self.number} {self.name}"


_TEXT = """
1 | Protocol summary
1.1 | Protocol synopsis
1.1.1 | Primary and secondary objectives and estimands | what the trial is to find out, and each question's estimand
1.1.2 | Overall design | model, control, population, arms, masking, number of participants, duration
1.2 | Trial schema | a drawing of arms and periods
1.3 | Schedule of activities | what is done at which visit, with its window
2 | Introduction
2.1 | Purpose of trial | background, what is known, and why the trial is needed
2.2 | Assessment of risks and benefits
2.2.1 | Risk summary and mitigation strategy | known and possible risks of interventions and procedures, and
  how each is reduced
2.2.2 | Benefit summary | what participants, and others later, may gain
2.2.3 | Overall risk-benefit assessment | why the risks are acceptable
3 | Trial objectives and associated estimands
3.1 | Primary objective(s) and associated estimand(s) | the primary objective, and its estimand by the five attributes
3.2 | Secondary objective(s) and associated estimand(s) | secondary objectives, or that there is none
3.3 | Exploratory objective(s) | exploratory objectives, or that there is none
4 | Trial design
4.1 | Description of trial design | model, arms, allocation, masking, sites, periods
4.1.1 | Stakeholder input into design | how patients and the public took part in the design
4.2 | Rationale for trial design
4.2.1 | Rationale for estimand(s) | why these strategies for intercurrent events answer the question
4.2.2 | Rationale for intervention model | why parallel, crossover, factorial or sequential
4.2.3 | Rationale for control type | why this comparator
4.2.4 | Rationale for trial duration | why treatment and follow-up last as long as they do
4.2.5 | Rationale for adaptive or novel trial design | the reason for an adaptive design, or that the trial has none
4.2.6 | Rationale for interim analysis | the reason for interim analyses, or that there is none
4.2.7 | Rationale for other trial design aspects | other choices of the design that need a reason
4.3 | Trial stopping rules | when the trial, an arm or a site is stopped early
4.4 | Start of trial and end of trial | which events are the start and the end of the trial
4.5 | Access to trial intervention after end of trial | what participants receive afterwards
5 | Trial population
5.1 | Description of trial population and rationale | whom the trial is about, and why
5.2 | Inclusion criteria | the criteria, numbered
5.3 | Exclusion criteria | the criteria, numbered
5.4 | Contraception | who could become pregnant, and what is required
5.5 | Lifestyle restrictions | meals, caffeine, alcohol, tobacco, driving, physical activity
5.6 | Screen failure and rescreening | what is recorded of people who cannot take part, and whether they may
  be screened again
6 | Trial intervention and concomitant therapy
6.1 | Description of investigational trial intervention | what each intervention is
6.2 | Rationale for investigational trial intervention dose and regimen | why this dose, route and schedule
6.3 | Investigational trial intervention administration | how, when and by whom it is given
6.4 | Investigational trial intervention dose modification | when a dose is changed, by how much, and its limits
6.5 | Management of investigational trial intervention overdose | what counts as an overdose, and what is done
6.6 | Preparation, storage, handling and accountability
6.6.1 | Preparation of investigational trial intervention | how it is prepared, by whom, and how doses are rounded
6.6.2 | Storage and handling of investigational trial intervention | temperature, shelf life, controlled-drug
  requirements
6.6.3 | Accountability of investigational trial intervention | receipt, dispensing, return and destruction
6.7 | Investigational trial intervention assignment, randomisation and blinding
6.7.1 | Participant assignment | how a participant receives an arm, and how it is concealed
6.7.2 | Randomisation | the method of randomization | optional
6.7.3 | Measures to maintain blinding | who is blinded, and how the interventions are made alike | optional
6.7.4 | Emergency unblinding at the site | who may unblind, when and how | optional
6.8 | Investigational trial intervention adherence | how adherence is measured and improved
6.9 | Description of noninvestigational trial intervention | background treatment, rescue medication,
  challenge agents, or that there is none
6.9.1 | Background trial intervention | what every arm receives | optional
6.10 | Concomitant therapy | what other treatment is permitted and prohibited
7 | Participant discontinuation of trial intervention and discontinuation or withdrawal from trial
7.1 | Discontinuation of trial intervention for individual participants
7.1.1 | Permanent discontinuation | when treatment ends for good, and what follow-up continues
7.1.2 | Temporary discontinuation | when treatment is interrupted, and how it resumes
7.1.3 | Rechallenge | whether treatment may be tried again
7.2 | Participant discontinuation or withdrawal from the trial | how a participant leaves, and what is still collected
7.3 | Management of loss to follow-up | what is done to reach a participant, and when one counts as lost
8 | Trial assessments and procedures
8.1 | Trial assessments and procedures considerations | general rules: visits, windows, order of assessments
8.2 | Screening/baseline assessments and procedures | what is assessed before treatment
8.3 | Efficacy assessments and procedures | what is measured, how and by whom
8.4 | Safety assessments and procedures | which safety assessments are made
8.4.1 | Physical examination | which examination, when | optional
8.4.2 | Vital signs | which signs, when | optional
8.4.3 | Electrocardiograms | which recordings, when | optional
8.4.4 | Clinical laboratory assessments | which tests, when | optional
8.4.5 | Pregnancy testing | which test, when | optional
8.4.6 | Suicidal ideation and behaviour risk monitoring | which instrument, when, and what follows | optional
8.5 | Pharmacokinetics | sampling and assays, or that there is none
8.6 | Biomarkers | which samples, stored how long, or that there is none
8.7 | Immunogenicity assessments | which assessments, or that there is none
8.8 | Medical resource utilisation and health economics | what is collected, or that nothing is
9 | Adverse events, serious adverse events, product complaints, pregnancy and postpartum information, and
  special safety situations
9.1 | Definitions
9.1.1 | Definitions of adverse events | what counts as an adverse event
9.1.2 | Definitions of serious adverse events | the criteria of seriousness
9.1.3 | Definitions of product complaints | what counts as a product complaint
9.2 | Timing and procedures for collection and reporting
9.2.1 | Timing | from when to when events are collected
9.2.2 | Collection procedures | how participants are asked; severity, relatedness, expectedness
9.2.3 | Reporting | who reports what to whom, and how soon
9.2.4 | Adverse events of special interest | which events, and what is recorded of them
9.2.5 | Disease-related events or outcomes not qualifying as adverse events or serious adverse events |
  events that are outcomes and not reported
9.3 | Pregnancy and postpartum information | what is done if a participant or a partner becomes pregnant
9.4 | Special safety situations | overdose, misuse, medication errors
10 | Statistical considerations
10.1 | General considerations | level of intervals, software, who analyses
10.2 | Analysis sets | whose data enter which analysis
10.3 | Analyses of demographics and other baseline variables | how the arms are described
10.4 | Analyses associated with the primary objective(s) | the primary analysis
10.5 | Analyses associated with the secondary objective(s) | analyses of secondary objectives, or that there is none
10.6 | Analyses associated with exploratory objective(s) | exploratory analyses, or that there is none
10.7 | Safety analyses | how harms are summarized and compared
10.8 | Other analyses | subgroups and other analyses, or that there is none
10.9 | Interim analyses | when, by whom, with which boundaries, or that there is none
10.10 | Multiplicity adjustments | which hypotheses share a level, and how
10.11 | Sample size determination | the number of participants, and the assumptions behind it
11 | Trial oversight and other general considerations
11.1 | Regulatory and ethical considerations | approvals, laws and guidelines that the trial follows
11.2 | Trial oversight
11.2.1 | Investigator responsibilities | what investigators answer for
11.2.2 | Sponsor responsibilities | what the sponsor answers for, and its part in design, analysis and report
11.3 | Informed consent process | who asks for consent, when and how; consent for later use of data and samples
11.4 | Committees | steering committee, data monitoring committee, adjudication: members, independence, charter
11.5 | Insurance and indemnity | compensation for harm
11.6 | Risk-based quality management | risks to quality, monitoring and auditing
11.7 | Data governance | how data are entered, checked, coded, stored and kept
11.8 | Data protection | how personal data are protected
11.9 | Source records | what counts as source
11.10 | Protocol deviations | how deviations are recorded and assessed
11.11 | Early site closure | when a site is closed
11.12 | Data dissemination | registration, publication, sharing of data, results for participants
12 | Appendix: supporting details
12.1 | Clinical laboratory tests | which tests, in which laboratory
12.2 | Country/region-specific differences | what differs by country, or that nothing does
12.3 | Prior protocol amendment(s) | earlier amendments with dates and reasons, or that there is none
12.4 | Appendix: facts that are not known, and assumptions | | optional
12.5 | Appendix: version and checksums
12.6 | Appendix: SPIRIT 2025 checklist
13 | Appendix: glossary of terms and abbreviations | abbreviations of this trial
14 | Appendix: references | the literature
"""


def _read(line: str) -> OutlineSection:
    number, name, *rest = (part.strip() for part in line.split("|"))
    belongs = rest[0] if rest else ""
    return OutlineSection(number, name, belongs, rest[-1:] == ["optional"])


OUTLINE: tuple[OutlineSection, ...] = tuple(_read(line) for line in _TEXT.strip().replace("\n  ", " ").splitlines())


def section(number: str) -> OutlineSection:
    """The section of a number."""
    return next(one for one in OUTLINE if one.number == number)
