# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # One stabilised logp on several devices
#
# The log-likelihood of a logistic regression with a guessing rate, compiled by PyTensor for JAX.
# The rules have done their work before JAX sees the function; its arrays may then lie on as many
# devices as there are.  Here they are eight virtual ones of one CPU:
#
#     XLA_FLAGS=--xla_force_host_platform_device_count=8 python examples/many_devices.py

# %%
import jax
import jax.numpy as jnp
import numpy as np
import pytensor.tensor as pt
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from pytensor.compile.mode import get_mode
from pytensor.graph.fg import FunctionGraph
from pytensor.link.jax.dispatch import jax_funcify

import pytensor_stabilize

jax.config.update("jax_enable_x64", True)
ROWS, COLUMNS = 4096, 3


def logp_for_jax(stock: bool = False):
    """Log-likelihood of coefficients, columns and labels, as a function of JAX arrays."""
    b, x, y = pt.dvector("b"), pt.dmatrix("x"), pt.dvector("y")
    p = 0.25 + 0.75 * pt.sigmoid(x @ b)
    logp = (y * pt.log(p) + (1 - y) * pt.log(1 - p)).sum()
    fgraph = FunctionGraph([b, x, y], [logp], clone=True)
    if stock:
        with pytensor_stabilize.excluding("all"):
            get_mode("JAX").optimizer.rewrite(fgraph)
    else:
        get_mode("JAX").optimizer.rewrite(fgraph)
    compiled = jax_funcify(fgraph)
    return lambda *arrays: compiled(*arrays)[0]


# %% [markdown]
# The rows of the data are shared out over the devices, the coefficients are on all of them.
# `jax.jit` splits the sum and adds up the parts.  Value and gradient are finite where `1 - p` is 0.


# %%
def main() -> dict[str, float]:
    devices = np.array(jax.devices())
    mesh = Mesh(devices, ("rows",))
    rng = np.random.default_rng(20261129)
    x = rng.normal(size=(ROWS, COLUMNS)) * 40
    y = (rng.uniform(size=ROWS) < 0.5).astype(float)
    b = np.array([1.0, -0.5, 0.25])

    rows, everywhere = (NamedSharding(mesh, PartitionSpec(*axis)) for axis in (("rows",), ()))
    arrays = jax.device_put(b, everywhere), jax.device_put(x, rows), jax.device_put(y, rows)
    value, gradient = jax.jit(jax.value_and_grad(logp_for_jax()))(*arrays)
    alone, alone_gradient = jax.jit(jax.value_and_grad(logp_for_jax()))(
        *map(jnp.asarray, (b, x, y))
    )
    stock = jax.jit(logp_for_jax(stock=True))(*arrays)
    print(f"devices: {len(devices)}, of which the data are on {len(arrays[1].sharding.device_set)}")
    print(f"logp: sharded {value:.6f}, on one device {alone:.6f}, stock {stock}")
    print(f"gradient: {np.asarray(gradient).round(6).tolist()}")
    return {
        "devices": len(arrays[1].sharding.device_set),
        "value": float(value),
        "difference": float(abs(value / alone - 1)),
        "gradient": float(np.abs(np.asarray(gradient) / np.asarray(alone_gradient) - 1).max()),
        "stock": float(stock),
    }


if __name__ == "__main__":
    main()
