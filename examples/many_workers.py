# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # Chains spread over workers by Dask
#
# A worker is a process of its own, on this machine or another one.  It has the rules once it has
# imported the package; a function that builds and samples the model should do that import itself,
# since what is sent to a worker is the function and not the state of the process that sends it.

# %%
import numpy as np
from dask.distributed import Client, LocalCluster

CHAINS = 2


def chain(seed: int, stock: bool = False) -> dict[str, object]:
    """One chain of a Beta prior that leans on 1, with what the worker's rules did."""
    from contextlib import nullcontext

    import pymc as pm

    import pytensor_stabilize
    from pytensor_stabilize import graphs

    with pytensor_stabilize.excluding("all") if stock else nullcontext():
        with pm.Model() as model:
            pm.Beta("p", 3, 0.05)
        with model:
            found = pm.sample(
                200,
                tune=300,
                chains=1,
                cores=1,
                nuts_sampler="pymc",
                random_seed=seed,
                progressbar=False,
                compute_convergence_checks=False,
                idata_kwargs={"include_transformed": True},
            )
        report = str(graphs.report(model))
    draws = found["posterior"]["p_logodds__"].to_numpy()
    diverging = int(found["sample_stats"]["diverging"].sum())
    return {"largest": float(draws.max()), "divergences": diverging, "report": report}


# %%
def main() -> dict[str, list[dict[str, object]]]:
    results = {}
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with cluster, Client(cluster) as client:
        for name, stock in (("stock", True), ("ours", False)):
            futures = client.map(chain, range(CHAINS), stock=stock, pure=False)
            results[name] = client.gather(futures)
    for name, found in results.items():
        divergences = [chain["divergences"] for chain in found]
        print(
            f"{name}: divergences {divergences}, largest z "
            f"{np.round([chain['largest'] for chain in found], 1).tolist()}"
        )
    return results


if __name__ == "__main__":
    main()
