# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # Where the demo's model loses its digits
#
# The zero-inflated Poisson model of `demo.py`, audited along the line on which the optimiser of
# `pm.find_MAP` takes its first steps: the slope `b` from 0 to 1.  Every logp and gradient is
# compared with its exact value, and at the worst point every operation is.

# %%
import os
from pathlib import Path

import numpy as np
from demo import build_model

from pytensor_stabilize import graphs

OUT = Path(os.environ.get("DEMO_OUT", "build/demo"))
STEPS = 11


# %%
def main() -> None:
    line = [{"visits::b": float(b)} for b in np.linspace(0, 1, STEPS)]
    audit = graphs.audit_model(build_model(), point=line)
    print(audit)
    OUT.mkdir(parents=True, exist_ok=True)
    audit.to_html(OUT / "demo-report.html")
    audit.plot(OUT / "demo-report.png")
    print(f"\nsaved {OUT / 'demo-report.html'} and {OUT / 'demo-report.png'}")


if __name__ == "__main__":
    main()
