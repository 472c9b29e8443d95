"""Print the tables of the README from ``runs.csv`` and ``steps.csv``."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

HERE = Path(__file__).resolve().parent
NORMS = ["raw", "dmso_within", "all_within", "dmso_across"]
SHOWN = {
    "plates": "{}",
    "norm": "`{}`",
    "seconds": "{:.0f}",
    "cpu": "{:.0f}",
    "anonymous": "{:.1f}",
    "resident": "{:.1f}",
    "read": "{:.0f}",
    "auroc_logistic": "{:.3f}",
    "auroc_lightgbm": "{:.3f}",
    "verdict": "{}",
}
LEAST = 10.0  # seconds of a step that is shown


def markdown(table: pd.DataFrame) -> str:
    """Return a table of text cells in Markdown, with the names of the columns as its head."""
    rows = [list(table.columns), ["---"] * table.shape[1], *table.to_numpy().tolist()]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


def in_order(table: pd.DataFrame) -> pd.DataFrame:
    """Sort by plates and then as the normalizations are listed."""
    return table.assign(norm=pd.Categorical(table["norm"], NORMS)).sort_values(["plates", "norm"])


def runs(table: pd.DataFrame) -> str:
    """Return costs and scores of the runs."""
    table = in_order(table)
    cells = {name: [form.format(value) for value in table[name]] for name, form in SHOWN.items()}
    return markdown(pd.DataFrame(cells))


def steps(table: pd.DataFrame, by: str) -> str:
    """Return the seconds of the longer steps, by ``norm`` or ``plates``; a step that was not made has an empty cell."""
    wide = in_order(table).pivot_table(index="step", columns=by, values="seconds", observed=True)
    wide = wide[wide.max(axis=1) >= LEAST]
    wide = wide.loc[wide.max(axis=1).sort_values(ascending=False).index]
    text = wide.map(lambda seconds: "" if pd.isna(seconds) else f"{seconds:.0f}")
    text.insert(0, "step, s", [name.replace("_", " ") for name in text.index])
    return markdown(text)


def growth(table: pd.DataFrame) -> str:
    """Return what grows with the plates, by normalization: wall seconds, GB of anonymous memory and GB read."""
    values = ["seconds", "anonymous", "read"]
    wide = in_order(table).pivot_table(index="plates", columns="norm", values=values, observed=True)
    text = pd.DataFrame({"plates": wide.index})
    for norm in (norm for norm in NORMS if norm in table["norm"].unique()):
        of_norm = wide.xs(norm, axis=1, level="norm")
        cells = [f"{s:.0f} s, {m:.1f} GB, {r:.0f} GB" for s, m, r in of_norm[values].to_numpy()]
        text[f"`{norm}`"] = ["" if cell.startswith("nan") else cell for cell in cells]
    return markdown(text)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE, help="folder of the tables")
    args = parser.parse_args()
    all_runs, all_steps = (pd.read_csv(args.out / f"{name}.csv", keep_default_na=False) for name in ("runs", "steps"))
    most_plates = all_runs["plates"].max()
    print(f"{runs(all_runs[all_runs['plates'] == most_plates])}\n")
    print(f"{steps(all_steps[all_steps['plates'] == most_plates], 'norm')}\n")
    print(f"{growth(all_runs)}\n")
    for norm in NORMS:
        of_norm = all_steps[all_steps["norm"] == norm]
        if len(set(of_norm["plates"])) > 1:
            print(f"`{norm}`:\n\n{steps(of_norm, 'plates')}\n")


if __name__ == "__main__":
    main()
