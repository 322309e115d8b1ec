"""Array annotations with axes, `Float[Array, "B T I"]`: checked at run time in the tests, plain text elsewhere.

The axes are written the same way everywhere: B batch, T time, I inputs, H hidden, O outputs, M members.
jaxtyping is a dependency of the tests only, so that the pure rooms need nothing but jax.
"""

from typing import TYPE_CHECKING, Any

from jax import Array

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Inexact, Int, PyTree, Shaped
else:
    try:
        from jaxtyping import Bool, Float, Inexact, Int, PyTree, Shaped
    except ImportError:

        class _Unchecked:
            def __class_getitem__(cls, _):
                return Any

        Bool = Float = Inexact = Int = PyTree = Shaped = _Unchecked

Key = Array
Params = dict[str, Any]
State = Any

__all__ = ["Array", "Bool", "Float", "Inexact", "Int", "Key", "Params", "PyTree", "Shaped", "State"]
