"""Writes the pages that are made from the code: ``python docs/generate.py``; with ``--check`` it only compares.

``--agreement`` first measures again how far our estimators are from the reference answers, which takes half a minute.

A page is never edited by hand; tests/docs fails when a committed page is not what the code says.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS / "site"))
SOURCE = DOCS.parent / "src" / "equipoise"


def families() -> dict[str, tuple[str, str, int]]:
    """Letter of each family of errors to its name, meaning and exit code, as the classes of errors say."""
    from equipoise.foundation.errors import EquipoiseError

    found = {}
    for kind in EquipoiseError.__subclasses__():
        said = re.fullmatch(r"(.+) \(family (\w)\)\.", " ".join((kind.__doc__ or "").split()))
        if said is None:
            raise ValueError(f"the docstring of {kind.__name__} does not end with its family: (family X).")
        found[said[2]] = (kind.family.capitalize(), said[1], kind.exit_code)
    return found


def codes_by_module() -> dict[str, dict[str, str]]:
    """Every module's table ``CODES``, read from its source: module (``protocol.check``) to code to meaning."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            targets = (
                node.targets
                if isinstance(node, ast.Assign)
                else [node.target]
                if isinstance(node, ast.AnnAssign)
                else []
            )
            if any(isinstance(target, ast.Name) and target.id == "CODES" for target in targets):
                value = node.value  # type: ignore[union-attr]
                parts = list(zip(value.keys, value.values, strict=True)) if isinstance(value, ast.Dict) else []
                # A table may take another module's in (``**OTHER``): that one is found where it stands.
                found[".".join(path.relative_to(SOURCE).with_suffix("").parts)] = {
                    ast.literal_eval(key): ast.literal_eval(meaning) for key, meaning in parts if key is not None
                }
    return found


def render_errors() -> str:
    """The page of error codes."""
    lines = [
        "# Errors",
        "",
        "This page is generated from the code by `python docs/generate.py`.",
        "",
        "Every problem is printed as `file:line  code  place`, then what was found, what was expected and "
        "what to do; all problems of a file are reported at once. With `--json` they are printed as "
        "objects with the keys `code`, `file`, `line`, `place`, `found`, `expected` and `next_step`. A "
        "code never changes its meaning. The exit code of a command depends on the family:",
        "",
        "| family | meaning | exit code |",
        "| --- | --- | --- |",
    ]
    lines += [
        f"| {letter} {name} | {meaning} | {exit_code} |" for letter, (name, meaning, exit_code) in families().items()
    ]
    every = {code: (meaning, module) for module, table in codes_by_module().items() for code, meaning in table.items()}
    for letter, (name, _, _) in families().items():
        rows = [(code, *every[code]) for code in sorted(every) if code.startswith(letter)]
        if rows:
            lines += ["", f"## {name}", "", "| code | meaning | raised by |", "| --- | --- | --- |"]
            lines += [f"| `{code}` | {meaning} | `{module}` |" for code, meaning, module in rows]
    return "\n".join(lines) + "\n"


def render_warnings() -> str:
    """The vocabulary of coded warnings."""
    from equipoise.stats.codes import REMARKS, SENTENCES, FitCode

    lines = [
        "# Warnings",
        "",
        "This page is generated from the code by `python docs/generate.py`.",
        "",
        "Warnings qualify an estimate. Several may apply at once; a fit may have none. Results use the "
        "names below; in arrays of fits they are bits of `codes` (`equipoise.stats.codes.FitCode`). If "
        "`not-estimable` is set there is no number, and the others give the reason; otherwise there is a "
        "number, and the others qualify it.",
        "",
        "| warning | bit | meaning |",
        "| --- | --- | --- |",
    ]
    lines += [f"| `{code.slug}` | {code.bit_length() - 1} | {SENTENCES[code]} |" for code in FitCode if code]
    lines += [
        "",
        "`nuisance-left-out` is followed by a colon and the names of the levels and covariates. Rows of "
        "results can also carry these, which no single fit has:",
        "",
        "| warning | meaning |",
        "| --- | --- |",
        *(f"| `{slug}` | {said} |" for slug, said in REMARKS.items()),
    ]
    return "\n".join(lines) + "\n"


def render_scales() -> str:
    """The vocabulary of scales."""
    from equipoise.protocol.vocabulary.scales import SCALES

    lines = [
        "# Scales",
        "",
        "This page is generated from the code by `python docs/generate.py`.",
        "",
        "Every estimate and its limits are on one of these scales. If the last column says so, the "
        "standard error is that of the natural logarithm of the estimate. A ratio or a difference compares "
        "`arm` with `reference`; a ratio of odds, hazards or proportions is for the `event` named beside "
        "it.",
        "",
        "| scale | meaning | standard error |",
        "| --- | --- | --- |",
    ]
    for name, scale in SCALES.items():
        if scale.is_estimated:
            error = "none" if name == "test" else "of the logarithm" if scale.is_ratio else "of the estimate"
            lines.append(f"| `{name}` | {scale.meaning} | {error} |")
    return "\n".join(lines) + "\n"


def render_records() -> str:
    """Every table of records with its columns."""
    from equipoise.records.cells import TYPE_WORDS
    from equipoise.records.schema import TABLES

    lines = [
        "# Tables of records",
        "",
        "This page is generated from the code by `python docs/generate.py`.",
        "",
        "These tables record what happened in a trial, whether captured, imported or simulated. Only "
        "`participants` is required. Columns marked with a star may not be empty; the columns in italics "
        "identify a row. Days are study days: day 1 is the protocol's anchor, the day before is -1, and "
        "there is no day 0. An empty cell means that nothing is known. The last column but one of each "
        "file is `simulated`: true in every row of fictional participants. [Importing tables of your "
        "own](import-your-own.md) explains how your columns are mapped to these.",
    ]
    for table in TABLES.values():
        lines += ["", f"## {table.name}", "", f"One row per {table.row}."]
        if table.extra_columns:
            lines[-1] += (
                "Any other column is kept beside these: baseline variables, and `day_1_weekday` and "
                "`calendar_order` where dates were imported (the weekday of day 1, and the order in which "
                "participants began; the dates are not kept)."
            )
        lines += ["", "| column | type | values | meaning |", "| --- | --- | --- | --- |"]
        for column in table.columns:
            name = f"*`{column.name}`*" if column.name in table.key else f"`{column.name}`"
            values = ", ".join(f"`{choice}`" for choice in column.choices)
            if column.lowest is not None:
                bound = f"to {column.highest:g}" if column.highest is not None else "or more"
                values = f"{column.lowest:g} {bound}"
            unit = f" ({column.unit})" if column.unit and column.unit != "study day" else ""
            star = " *" if column.required else ""
            lines.append(f"| {name}{star} | {TYPE_WORDS[column.dtype]} | {values} | {column.meaning}{unit} |")
    return "\n".join(lines) + "\n"


def _where(thing: object) -> str:
    """The module in which something is written, below the package."""
    return "`" + str(getattr(thing, "__module__", "")).removeprefix("equipoise.") + "`"


def render_rooms() -> str:
    """The rooms from the top down, by the import contract, with what each says of itself."""
    text = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = text["tool"]["importlinter"]["contracts"]
    rooms = next(c for c in contracts if c["name"] == "Rooms import downwards only")["layers"]
    lines = ["| room | holds |", "| --- | --- |"]
    for room in (layer.strip("()") for layer in rooms):
        tree = ast.parse((SOURCE / room / "__init__.py").read_text(encoding="utf-8"))
        said = (ast.get_docstring(tree) or "").split("\n", 1)[0].rstrip(".")
        if not said:
            raise ValueError(f"{room}/__init__.py does not say what the room holds")
        lines.append(f"| `{room}` | {said} |")
    return "\n".join(lines)


def render_kinds() -> str:
    """What there is of each kind that a user may add, with the places where each is written."""
    from equipoise.analysis.fits import FITS
    from equipoise.endpoints.derivation import DERIVE
    from equipoise.instruments import INSTRUMENTS
    from equipoise.protocol.language.endpoints import ENDPOINT_KINDS
    from equipoise.protocol.vocabulary.estimators import ESTIMATORS
    from equipoise.protocol.vocabulary.scales import SCALES
    from equipoise.randomization.registry import SCHEMES

    lines = ["| endpoint kind | model class | derivation |", "| --- | --- | --- |"]
    for kind, model in ENDPOINT_KINDS.items():
        lines.append(f"| `{kind}` | `{model.__name__}` in {_where(model)} | {_where(DERIVE[kind])} |")
    lines += ["", "| estimator | gives | page | imputed |", "| --- | --- | --- | --- |"]
    if FITS.keys() != ESTIMATORS.keys():
        raise ValueError(f"estimators with a row or an adapter alone: {FITS.keys() ^ ESTIMATORS.keys()}")
    for row in ESTIMATORS.values():
        gives = ", ".join(sorted(row.measures | row.alone))
        page = f"[{row.page}](docs/methods/{row.page}.md)"
        lines.append(f"| `{row.id}` | {gives} | {page} | {'yes' if row.imputable else 'no'} |")
    lines += [
        "",
        f"Scales ({len(SCALES)}): {', '.join(f'`{name}`' for name in SCALES)}.",
        "",
        f"Schemes ({len(SCHEMES)}): {', '.join(f'`{name}`' for name in SCHEMES)}.",
        "",
        f"Instruments ({len(INSTRUMENTS)}): [the library](docs/instruments.md).",
    ]
    return "\n".join(lines)


def render_contributing() -> str:
    """CONTRIBUTING with its tables as the code has them; what stands outside the marks is written by hand."""
    path = DOCS.parent / "CONTRIBUTING.md"
    text = path.read_text(encoding="utf-8")
    for name, made in (("rooms", render_rooms()), ("kinds", render_kinds())):
        begin, end = f"<!-- generated: {name} -->\n", f"\n<!-- end: {name} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"CONTRIBUTING.md has no place for the table {name}")
        before, rest = text.split(begin)
        text = before + begin + "\n" + made + "\n" + end + rest.split(end, 1)[1]
    return text


def classes_by_room() -> dict[str, list[tuple[str, str, str]]]:
    """Room to its public classes: name, module within the room, first sentence of its docstring."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        room, *rest = path.relative_to(SOURCE).with_suffix("").parts
        if "migrations" in rest:
            continue  # written by the database layer's own rules
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                first = " ".join((ast.get_docstring(node) or "").partition("\n\n")[0].split())
                sentence = (
                    re.split(r"(?<=[.:]) (?=[A-Z`])", first)[0].rstrip(":.").replace("``", "`").replace("|", "\\|")
                )
                found.setdefault(room, []).append((node.name, ".".join(rest), sentence))
    return found


def render_names() -> str:
    """The page of names: every public class by room."""
    lines = [
        "# Names of the code",
        "",
        "This page is generated from the code by `python docs/generate.py`.",
        "",
        "Every public class, by room, with its meaning. Terms of the field and of the protocol language "
        "are in the [glossary](../GLOSSARY.md). A name used in two rooms is listed in "
        "`tests/docs/names_twice.txt`, which may only become shorter.",
    ]
    for room, classes in classes_by_room().items():
        lines += ["", f"## {room}", "", "| name | where | what it is |", "| --- | --- | --- |"]
        lines += [f"| `{name}` | `{where}` | {meaning} |" for name, where, meaning in sorted(classes)]
    return "\n".join(lines) + "\n"


def pages() -> dict[Path, str]:
    """Every generated page with its text."""
    from made_pages import render_agreement, render_api, render_decisions, render_llms, render_trust

    from equipoise.endpoints.patterns.page import render_library
    from equipoise.instruments.describe import render_instruments
    from equipoise.protocol.pages.reference import render_reference

    made = {
        DOCS / "protocol-language.md": render_reference(),
        DOCS / "errors.md": render_errors(),
        DOCS / "endpoint-library.md": render_library(),
        DOCS / "instruments.md": render_instruments(),
        DOCS / "records.md": render_records(),
        DOCS / "names.md": render_names(),
        DOCS / "methods" / "warnings.md": render_warnings(),
        DOCS.parent / "CONTRIBUTING.md": render_contributing(),
        DOCS / "methods" / "scales.md": render_scales(),
        DOCS / "api.md": render_api(),
        DOCS / "trust.md": render_trust(),
        **render_agreement(),
        DOCS / "decisions" / "index.md": render_decisions(),
    }
    return {**made, DOCS / "llms.txt": render_llms(made)}


def measure_agreement() -> None:
    """Compare with the reference answers anew, and keep what the page of trust needs of it."""
    from made_pages import AGREEMENT, snapshot

    command = [sys.executable, str(DOCS.parent / "benchmarks" / "agreement.py"), "--json"]
    made = subprocess.run(command, capture_output=True, text=True, check=True)
    AGREEMENT.write_text(json.dumps(snapshot(json.loads(made.stdout)), indent=1) + "\n", encoding="utf-8")


def main() -> int:
    """Write the pages, or compare them; 1 where one was stale."""
    if "--agreement" in sys.argv:
        measure_agreement()
    made = pages()
    stale = [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        print(f"{'stale' if '--check' in sys.argv else 'written'}: {path.relative_to(DOCS.parent)}")
        if "--check" not in sys.argv:
            path.write_text(made[path], encoding="utf-8")
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    raise SystemExit(main())
