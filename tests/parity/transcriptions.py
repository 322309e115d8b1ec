"""The equations of every paper once more, unit by unit in plain Python loops: what the cells are tested against.

Nothing here is shared with gru_lab: no matrix products, no array functions. `params` are lists of lists of floats,
a state is a tuple, and a transcription returns (new state, what the layer above sees).
"""

import cmath
from math import cos, exp, log, pi, sin, sqrt, tanh

STEPS = {}


def transcription(name, **fields):
    def enter(step):
        STEPS.setdefault(name, []).append((fields, step))
        return step

    return enter


def sigmoid(a):
    return 1 / (1 + exp(-a)) if a >= 0 else exp(a) / (1 + exp(a))


def relu(a):
    return a if a > 0 else 0.0


def dot(v, M, j):
    """The j-th unit of v M, one product after the other."""
    total = 0.0
    for k in range(len(v)):
        total += v[k] * M[k][j]
    return total


def inner(v, w):
    total = 0.0
    for k in range(len(v)):
        total += v[k] * w[k]
    return total


def each(p):
    """The units, 0 to hidden - 1, told from the first bias or matrix that has their number."""
    for name in ("b_h", "b_n", "b_f", "b_g", "b_z", "b_q", "b_y", "b_u", "b_c", "b_r", "U_h", "B"):
        if name in p:
            return range(len(p[name]) if name != "B" else len(p["nu"]))
    raise KeyError(sorted(p))


def affine(p, g, j, x, h=None):
    """x W_g + h U_g + b_g at unit j, as far as they exist."""
    total = p[f"b_{g}"][j] if f"b_{g}" in p else 0.0
    if f"W_{g}" in p:
        total += dot(x, p[f"W_{g}"], j)
    if h is not None and f"U_{g}" in p:
        total += dot(h, p[f"U_{g}"], j)
    return total


# -- the three ----------------------------------------------------------------------------------------------------
@transcription("rnn")
def rnn(p, h, x, t, c):
    new = [tanh(affine(p, "h", j, x, h)) for j in each(p)]
    return new, new


@transcription("rnn", nonlinearity="relu", initializer="identity")
def irnn(p, h, x, t, c):
    new = [relu(affine(p, "h", j, x, h)) for j in each(p)]
    return new, new


@transcription("gru")
@transcription("gru", recurrent_bias=False)
def gru_after(p, h, x, t, c):
    new = []
    for j in each(p):
        r, z = sigmoid(affine(p, "r", j, x, h)), sigmoid(affine(p, "z", j, x, h))
        inside = dot(h, p["U_n"], j) + (p["b_hn"][j] if "b_hn" in p else 0.0)
        n = tanh(dot(x, p["W_n"], j) + p["b_n"][j] + r * inside)
        new.append((1 - z) * n + z * h[j])
    return new, new


@transcription("gru", reset="before", update="write")
def gru_before_write(p, h, x, t, c):
    rh = [sigmoid(affine(p, "r", j, x, h)) * h[j] for j in each(p)]
    new = []
    for j in each(p):
        z = sigmoid(affine(p, "z", j, x, h))
        new.append((1 - z) * h[j] + z * tanh(affine(p, "n", j, x, rh)))
    return new, new


@transcription("gru", reset="before", tied=True)
def gru_tied(p, h, x, t, c):
    z = [sigmoid(affine(p, "z", j, x, h)) for j in each(p)]
    zh = [z[j] * h[j] for j in each(p)]
    new = [z[j] * h[j] + (1 - z[j]) * tanh(affine(p, "n", j, x, zh)) for j in each(p)]
    return new, new


@transcription("lstm")
@transcription("lstm", peephole=True)
@transcription("lstm", input_gate=False)
@transcription("lstm", forget_gate="none")
@transcription("lstm", forget_gate="coupled")
@transcription("lstm", output_gate=False)
@transcription("lstm", input_squash=False)
@transcription("lstm", output_squash=False)
@transcription("lstm", gate_recurrence=True, peephole=True)
def lstm(p, state, x, t, cell):
    h, c, before = state[0], state[1], state[2:]
    there = [g for g in "ifo" if f"W_{g}" in p]

    def gate(g, j, seen):
        a = affine(p, g, j, x, h) + (p[f"p_{g}"][j] * seen if cell.peephole else 0.0)
        for n, other in enumerate(there):
            if cell.gate_recurrence:
                a += dot(before[n], p[f"R_{other}{g}"], j)
        return sigmoid(a)

    values, hs, cs = {g: [] for g in "ifo"}, [], []
    for j in each(p):
        i = gate("i", j, c[j]) if cell.input_gate else 1.0
        f = 1.0 if cell.forget_gate == "none" else 1 - i
        if cell.forget_gate == "learned":
            f = gate("f", j, c[j])
        g = affine(p, "g", j, x, h)
        new = f * c[j] + i * (tanh(g) if cell.input_squash else g)
        o = gate("o", j, new) if cell.output_gate else 1.0
        cs.append(new)
        hs.append(o * (tanh(new) if cell.output_squash else new))
        for name, value in zip("ifo", (i, f, o), strict=True):
            values[name].append(value)
    return (hs, cs, *(values[g] for g in there if cell.gate_recurrence)), hs


# -- gated cells with one state -----------------------------------------------------------------------------------
@transcription("mut", variant=1)
@transcription("mut", variant=2)
@transcription("mut", variant=3)
def mut(p, h, x, t, c):
    rh = [sigmoid(affine(p, "r", j, x, h)) * h[j] for j in each(p)]
    new = []
    for j in each(p):
        if c.variant == 1:
            z = sigmoid(affine(p, "z", j, x))
            n = tanh(dot(rh, p["U_n"], j) + tanh(dot(x, p["W_n"], j)) + p["b_n"][j])
        else:
            z = sigmoid(affine(p, "z", j, x, h if c.variant == 2 else [tanh(a) for a in h]))
            n = tanh(affine(p, "n", j, x, rh))
        new.append(n * z + h[j] * (1 - z))
    return new, new


@transcription("janet")
@transcription("janet", beta=0.0)
def janet(p, h, x, t, c):
    new = []
    for j in each(p):
        s = affine(p, "f", j, x, h)
        new.append(sigmoid(s) * h[j] + (1 - sigmoid(s - c.beta)) * tanh(affine(p, "n", j, x, h)))
    return new, new


@transcription("mgu")
@transcription("mgu", variant="mgu1")
@transcription("mgu", variant="mgu2")
@transcription("mgu", variant="mgu3")
def mgu(p, h, x, t, c):
    f = [sigmoid(affine(p, "f", j, x, h)) for j in each(p)]
    fh = [f[j] * h[j] for j in each(p)]
    new = [(1 - f[j]) * h[j] + f[j] * tanh(affine(p, "n", j, x, fh)) for j in each(p)]
    return new, new


@transcription("ugrnn")
def ugrnn(p, h, x, t, c):
    new = []
    for j in each(p):
        z = sigmoid(affine(p, "z", j, x, h))
        new.append(z * h[j] + (1 - z) * tanh(affine(p, "n", j, x, h)))
    return new, new


@transcription("cfn")
def cfn(p, h, x, t, c):
    new = []
    for j in each(p):
        f, i = sigmoid(affine(p, "f", j, x, h)), sigmoid(affine(p, "i", j, x, h))
        new.append(f * tanh(h[j]) + i * tanh(dot(x, p["W_n"], j)))
    return new, new


@transcription("indrnn")
@transcription("indrnn", nonlinearity="tanh")
def indrnn(p, h, x, t, c):
    f = relu if c.nonlinearity == "relu" else tanh
    new = [f(dot(x, p["W_h"], j) + p["u_h"][j] * h[j] + p["b_h"][j]) for j in each(p)]
    return new, new


@transcription("ligru")
def ligru(p, h, x, t, c):
    new = []
    for j in each(p):
        z = sigmoid(affine(p, "z", j, x, h))
        new.append(z * h[j] + (1 - z) * relu(affine(p, "n", j, x, h)))
    return new, new


@transcription("minimalrnn")
def minimalrnn(p, h, x, t, c):
    z = [tanh(affine(p, "z", j, x)) for j in each(p)]
    new = []
    for j in each(p):
        u = sigmoid(dot(h, p["U_u"], j) + dot(z, p["V_u"], j) + p["b_u"][j])
        new.append(u * h[j] + (1 - u) * z[j])
    return new, new


@transcription("ran")
@transcription("ran", output="identity")
def ran(p, state, x, t, cell):
    h, c = state
    hs, cs = [], []
    for j in each(p):
        i, f = sigmoid(affine(p, "i", j, x, h)), sigmoid(affine(p, "f", j, x, h))
        cs.append(i * dot(x, p["W_c"], j) + f * c[j])
        hs.append(tanh(cs[-1]) if cell.output == "tanh" else cs[-1])
    return (hs, cs), hs


@transcription("fastrnn")
def fastrnn(p, h, x, t, c):
    new = [sigmoid(p["alpha"]) * tanh(affine(p, "h", j, x, h)) + sigmoid(p["beta"]) * h[j] for j in each(p)]
    return new, new


@transcription("fastgrnn")
def fastgrnn(p, h, x, t, c):
    new = []
    for j in each(p):
        a = affine(p, "a", j, x, h)
        z, n = sigmoid(a + p["b_z"][j]), tanh(a + p["b_n"][j])
        new.append((sigmoid(p["zeta"]) * (1 - z) + sigmoid(p["nu"])) * n + z * h[j])
    return new, new


@transcription("diagonal_gru")
def diagonal_gru(p, h, x, t, c):
    new = []
    for j in each(p):
        r, z = (sigmoid(affine(p, g, j, x) + p[f"u_{g}"][j] * h[j]) for g in "rz")
        n = tanh(affine(p, "n", j, x) + p["u_n"][j] * r * h[j])
        new.append(z * h[j] + (1 - z) * n)
    return new, new


@transcription("brc")
@transcription("brc", neuromodulated=True)
def brc(p, h, x, t, cell):
    new = []
    for j in each(p):
        seen = {g: dot(h, p[f"U_{g}"], j) if cell.neuromodulated else p[f"u_{g}"][j] * h[j] for g in "ac"}
        a = 1 + tanh(dot(x, p["W_a"], j) + seen["a"] + p["b_a"][j])
        c = sigmoid(dot(x, p["W_c"], j) + p["b_c"][j] + seen["c"])
        new.append(c * h[j] + (1 - c) * tanh(dot(x, p["W_n"], j) + a * h[j]))
    return new, new


@transcription("star")
@transcription("star", beta=0.0)
def star(p, h, x, t, c):
    new = []
    for j in range(len(p["b_k"])):
        s, z = affine(p, "k", j, x, h), tanh(affine(p, "z", j, x))
        new.append(tanh(sigmoid(-s) * h[j] + sigmoid(s + c.beta) * z))
    return new, new


@transcription("atr")
def atr(p, h, x, t, c):
    new = []
    for j in each(p):
        a, b = dot(x, p["W_p"], j), dot(h, p["U_q"], j) + p["b_q"][j]
        new.append(sigmoid(a + b) * a + sigmoid(a - b) * h[j])
    return new, new


@transcription("rhn")
@transcription("rhn", depth=1)
@transcription("rhn", depth=3)
def rhn(p, h, x, t, c):
    s = list(h)
    for layer in range(1, c.depth + 1):
        new = []
        for j in range(len(h)):
            n = dot(s, p[f"U_n_{layer}"], j) + p[f"b_n_{layer}"][j] + (dot(x, p["W_n"], j) if layer == 1 else 0.0)
            g = dot(s, p[f"U_t_{layer}"], j) + p[f"b_t_{layer}"][j] + (dot(x, p["W_t"], j) if layer == 1 else 0.0)
            new.append(tanh(n) * sigmoid(g) + s[j] * (1 - sigmoid(g)))
        s = new
    return s, s


@transcription("mirnn")
def mirnn(p, h, x, t, c):
    new = []
    for j in each(p):
        w, u = dot(x, p["W_h"], j), dot(h, p["U_h"], j)
        new.append(tanh(p["alpha"][j] * w * u + p["beta_u"][j] * u + p["beta_w"][j] * w + p["b_h"][j]))
    return new, new


@transcription("leaky")
def leaky(p, h, x, t, c):
    new = [(1 - c.leak) * h[j] + c.leak * tanh(affine(p, "h", j, x, h)) for j in each(p)]
    return new, new


# -- time scales, dynamics, orthogonality -------------------------------------------------------------------------
@transcription("cwrnn", modules=2)
@transcription("cwrnn", modules=3)
def cwrnn(p, state, x, t, c):
    h, H = state[0], len(p["b_h"])
    group = [j * c.modules // H for j in range(H)]
    new = []
    for j in range(H):
        if t % 2 ** group[j] == 0:
            a = dot(x, p["W_h"], j) + p["b_h"][j]
            for k in range(H):
                if 2 ** group[k] >= 2 ** group[j]:
                    a += h[k] * p["U_h"][k][j]
            new.append(tanh(a))
        else:
            new.append(h[j])
    return (new, float((t + 1) % 2 ** (c.modules - 1))), new


@transcription("scrn", context=2)
@transcription("scrn", context=2, context_seen="after")
def scrn(p, state, x, t, c):
    h, s = state
    new = [(1 - c.alpha) * dot(x, p["W_s"], k) + c.alpha * s[k] for k in range(len(s))]
    seen = new if c.context_seen == "after" else s
    h = [sigmoid(dot(seen, p["V_h"], j) + dot(x, p["W_h"], j) + dot(h, p["U_h"], j)) for j in range(len(h))]
    return (h, new), h + new


def matrix_product(A, B):
    return [[sum(A[i][k] * B[k][j] for k in range(len(B))) for j in range(len(B[0]))] for i in range(len(A))]


def matrix_exponential(A):
    """The power series of exp(A / 2^8), squared eight times."""
    n = len(A)
    small = [[a / 256 for a in row] for row in A]
    whole = [[float(i == j) for j in range(n)] for i in range(n)]
    term = [row[:] for row in whole]
    for k in range(1, 20):
        term = [[a / k for a in row] for row in matrix_product(term, small)]
        whole = [[a + b for a, b in zip(r, s, strict=True)] for r, s in zip(whole, term, strict=True)]
    for _ in range(8):
        whole = matrix_product(whole, whole)
    return whole


@transcription("exprnn")
def exprnn(p, h, x, t, c):
    H, entries = len(p["b_h"]), iter(p["a"])
    A = [[0.0] * H for _ in range(H)]
    for j in range(H):
        for k in range(j + 1, H):
            a = next(entries)
            A[k][j], A[j][k] = a, -a
    Q, new = matrix_exponential(A), []
    for j in range(H):
        v = dot(x, p["W_h"], j) + dot(h, Q, j)
        new.append((1 if v > 0 else -1) * relu(abs(v) + p["b_h"][j]))
    return new, new


@transcription("urnn")
def urnn(p, h, x, t, c):
    import numpy as np  # the permutation is a part of the cell's definition

    H = len(p["b_h"])
    order = np.random.RandomState(H).permutation(H)

    def phases(k, v):
        return [cmath.exp(1j * p["theta"][k][j]) * v[j] for j in range(H)]

    def reflect(k, v):
        r = [complex(p["r"][k][j], p["r"][k][H + j]) for j in range(H)]
        along = sum(r[j].conjugate() * v[j] for j in range(H)) / sum(abs(a) ** 2 for a in r)
        return [v[j] - 2 * r[j] * along for j in range(H)]

    def fourier(v, sign):
        return [sum(v[k] * cmath.exp(sign * 2j * pi * j * k / H) for k in range(H)) for j in range(H)]

    v = reflect(0, fourier(phases(0, h), -1))
    v = phases(1, [v[order[j]] for j in range(H)])
    v = phases(2, reflect(1, [a / H for a in fourier(v, +1)]))
    new = []
    for j in range(H):
        a = v[j] + complex(dot(x, p["V"], j), dot(x, p["V"], H + j))
        size = sqrt(abs(a) ** 2 + 1e-12)
        new.append(a / size * relu(size + p["b_h"][j]))
    return new, [a.real for a in new] + [a.imag for a in new]


@transcription("cornn")
@transcription("cornn", damping="implicit", dt=0.3)
def cornn(p, state, x, t, c):
    y, z = state
    ys, zs = [], []
    for j in each(p):
        force = tanh(affine(p, "y", j, x, y) + dot(z, p["V_y"], j))
        if c.damping == "explicit":
            new = z[j] + c.dt * (force - c.gamma * y[j] - c.epsilon * z[j])
        else:  # z' = z + dt (force - gamma y - epsilon z'), solved for z'
            new = (z[j] + c.dt * (force - c.gamma * y[j])) / (1 + c.dt * c.epsilon)
        zs.append(new)
        ys.append(y[j] + c.dt * new)
    return (ys, zs), ys


@transcription("unicornn")
def unicornn(p, state, x, t, c):
    y, z = state
    ys, zs = [], []
    for j in each(p):
        step = c.dt * sigmoid(p["c"][j])
        zs.append(z[j] - step * (tanh(p["u_y"][j] * y[j] + affine(p, "y", j, x)) + c.alpha * y[j]))
        ys.append(y[j] + step * zs[-1])
    return (ys, zs), ys


@transcription("lem")
def lem(p, state, x, t, c):
    y, z = state
    zs, ys = [], []
    for j in each(p):
        d = c.dt * sigmoid(affine(p, "1", j, x, y))
        zs.append((1 - d) * z[j] + d * tanh(affine(p, "z", j, x, y)))
    for j in each(p):
        d = c.dt * sigmoid(affine(p, "2", j, x, y))
        ys.append((1 - d) * y[j] + d * tanh(affine(p, "y", j, x, zs)))
    return (ys, zs), ys


@transcription("lipschitz")
def lipschitz(p, h, x, t, c):
    H = len(h)

    def S(M, j, k):
        return (1 - c.beta) * (M[j][k] + M[k][j]) + c.beta * (M[j][k] - M[k][j]) - (c.gamma if j == k else 0.0)

    new = []
    for j in range(H):
        linear = sum(S(p["U_A"], k, j) * h[k] for k in range(H))
        inside = sum(S(p["U_W"], k, j) * h[k] for k in range(H)) + affine(p, "h", j, x)
        new.append(h[j] + c.dt * (linear + tanh(inside)))
    return new, new


@transcription("antisymmetric", dt=0.3)
@transcription("antisymmetric", dt=0.3, gated=True)
def antisymmetric(p, h, x, t, c):
    U, H, new = p["U_h"], len(h), []
    for j in range(H):
        turn = sum((U[k][j] - U[j][k] - (c.gamma if j == k else 0.0)) * h[k] for k in range(H))
        change = tanh(turn + dot(x, p["W_h"], j) + p["b_h"][j])
        gate = sigmoid(turn + affine(p, "z", j, x)) if c.gated else 1.0
        new.append(h[j] + c.dt * gate * change)
    return new, new


# -- derived memories ---------------------------------------------------------------------------------------------
@transcription("lmu", order=3, theta=5.0)
def lmu(p, state, x, t, c):
    (h, m), d = state, c.order
    joint = [[0.0] * (d + 1) for _ in range(d + 1)]
    for i in range(d):
        for j in range(d):
            joint[i][j] = (2 * i + 1) / c.theta * (-1 if i < j else (-1) ** (i - j + 1))
        joint[i][d] = (2 * i + 1) / c.theta * (-1) ** i
    hold = matrix_exponential(joint)
    u = inner(x, p["e_x"]) + inner(h, p["e_h"]) + inner(m, p["e_m"])
    m = [sum(hold[i][j] * m[j] for j in range(d)) + hold[i][d] * u for i in range(d)]
    h = [tanh(dot(x, p["W_h"], j) + dot(h, p["U_h"], j) + dot(m, p["V_h"], j)) for j in range(len(h))]
    return (h, m), h


@transcription("hippo", order=3)
@transcription("hippo", order=3, graph="paper")
def hippo(p, state, x, t, cell):
    h, c, _ = state
    if cell.graph == "code":
        c = legs(c, inner(x, p["e_x"]) + inner(h, p["e_h"]) + p["b_f"], t)
    new = []
    for j in each(p):
        z = sigmoid(affine(p, "z", j, x, h) + dot(c, p["V_z"], j))
        new.append((1 - z) * h[j] + z * tanh(affine(p, "n", j, x, h) + dot(c, p["V_n"], j)))
    if cell.graph == "paper":
        c = legs(c, inner(new, p["e_h"]), t)
    return (new, c, t + 1.0), new


def legs(c, f, k):
    """Theorem 2 of HiPPO by the bilinear rule; the first step, k = 0, begins with a constant."""
    N = len(c)
    if k == 0:
        return [f] + [0.0] * (N - 1)
    A = [[sqrt((2 * i + 1) * (2 * j + 1)) if i > j else i + 1.0 if i == j else 0.0 for j in range(N)] for i in range(N)]
    right = [c[i] - sum(A[i][j] * c[j] for j in range(N)) / (2 * k) + sqrt(2 * i + 1) * f / k for i in range(N)]
    new = []
    for i in range(N):  # forward substitution with I + A / 2k
        new.append((right[i] - sum(A[i][j] / (2 * k) * new[j] for j in range(i))) / (1 + A[i][i] / (2 * k)))
    return new


@transcription("slstm")
@transcription("slstm", heads=1)
@transcription("slstm", heads=3, forget="exp")  # heads of 2, 2 and 0 units
def slstm(p, state, x, t, cell):
    """Without stabiliser: equations 8 to 14, whose numbers are small here. The state holds c and n unscaled."""
    h, c, n = state[0], state[1], state[2]
    hs, cs, ns, d = [], [], [], len(p["U_f"][0])

    def gate(g, j):
        head, place = j // d, j % d
        kin = h[head * d : (head + 1) * d]
        return affine(p, g, j, x) + sum(kin[k] * p[f"U_{g}"][head][k][place] for k in range(len(kin)))

    for j in each(p):
        i, f = exp(gate("i", j)), gate("f", j)
        f = exp(f) if cell.forget == "exp" else sigmoid(f)
        cs.append(f * c[j] + i * tanh(gate("g", j)))
        ns.append(f * n[j] + i)
        hs.append(sigmoid(gate("o", j)) * cs[-1] / ns[-1])
    return (hs, cs, ns, state[3]), hs


@transcription("mlstm")
@transcription("mlstm", heads=1)
@transcription("mlstm", heads=3, epsilon=0.0)
def mlstm(p, state, x, t, cell):
    """Without stabiliser, as the sLSTM: equations 19 to 27."""
    _, Cs, ns, ms = state
    heads, d, hs, new_C, new_n, new_m = len(ns), len(ns[0]), [], [], [], []
    for head in range(heads):
        units = [j for j in range(head * d, (head + 1) * d) if j < len(p["b_q"])]
        q = [dot(x, p["W_q"], j) + p["b_q"][j] for j in units]
        k = [dot(x, p["W_k"], j) / sqrt(d) + p["b_k"][j] for j in units]
        v = [dot(x, p["W_v"], j) + p["b_v"][j] for j in units]
        i, f = exp(dot(x, p["w_i"], head) + p["b_i"][head]), dot(x, p["w_f"], head) + p["b_f"][head]
        new_m.append(max(log(sigmoid(f)) + ms[head], log(i)))  # epsilon alone sees the stabiliser
        f, C, n = sigmoid(f), [row[:] for row in Cs[head]], ns[head][:]
        for a in range(len(units)):
            C[a] = [f * C[a][b] + (i * v[a] * k[b] if b < len(units) else 0.0) for b in range(d)]
            n[a] = f * n[a] + i * k[a]
        below = max(abs(inner(n[: len(q)], q)), 1.0) + cell.epsilon * exp(new_m[-1])
        for a, j in enumerate(units):
            hs.append(sigmoid(affine(p, "o", j, x)) * inner(C[a][: len(q)], q) / below)
        new_C, new_n = [*new_C, C], [*new_n, n]
    return (hs, new_C, new_n, new_m), hs


# -- linear in the state ------------------------------------------------------------------------------------------
@transcription("mingru")
@transcription("mingru", candidate="positive")
def mingru(p, h, x, t, c):
    new = []
    for j in each(p):
        z, n = sigmoid(affine(p, "z", j, x)), affine(p, "n", j, x)
        if c.candidate == "positive":
            n = n + 0.5 if n >= 0 else sigmoid(n)
        new.append((1 - z) * h[j] + z * n)
    return new, new


@transcription("minlstm")
@transcription("minlstm", candidate="positive")
def minlstm(p, h, x, t, c):
    new = []
    for j in each(p):
        f, i, n = sigmoid(affine(p, "f", j, x)), sigmoid(affine(p, "i", j, x)), affine(p, "n", j, x)
        if c.candidate == "positive":
            n = n + 0.5 if n >= 0 else sigmoid(n)
        new.append(f / (f + i) * h[j] + i / (f + i) * n)
    return new, new


@transcription("lru")
def lru(p, h, x, t, c):
    H, new = len(p["nu"]), []
    for j in range(H):
        size, phase = exp(-exp(p["nu"][j])), exp(p["theta"][j])
        eigenvalue = complex(size * cos(phase), size * sin(phase))
        u = complex(dot(x, p["B"], j), dot(x, p["B"], H + j))
        new.append(eigenvalue * h[j] + exp(p["gamma"][j]) * u)
    return new, [a.real for a in new] + [a.imag for a in new]


@transcription("rglru")
@transcription("rglru", full_start=True)
def rglru(p, state, x, t, c):
    H, h = len(p["Lambda"]), state[0] if c.full_start else state
    v = [dot(x, p["W_v"], j) for j in range(H)]
    new = []
    for j in range(H):
        r, i = sigmoid(affine(p, "r", j, v)), sigmoid(affine(p, "i", j, v))
        a = exp(c.c * r * log(sigmoid(p["Lambda"][j])))
        new.append(a * h[j] + (1.0 if c.full_start and t == 0 else sqrt(1 - a * a)) * i * v[j])
    return ((new, 1.0) if c.full_start else new), new


@transcription("sru")
def sru(p, state, x, t, cell):
    _, c = state
    hs, cs = [], []
    for j in each(p):
        f, r = (sigmoid(affine(p, g, j, x) + p[f"v_{g}"][j] * c[j]) for g in "fr")
        cs.append(f * c[j] + (1 - f) * dot(x, p["W_n"], j))
        hs.append(r * cs[-1] + (1 - r) * dot(x, p["W_s"], j))
    return (hs, cs), hs


# -- with projection, in rounds, in closed form -------------------------------------------------------------------
@transcription("lstmp", projection=2)
def lstmp(p, state, x, t, cell):
    h, c = state
    cs, out = [], []
    for j in each(p):
        i, f, o = (sigmoid(affine(p, g, j, x, h)) for g in "ifo")
        cs.append(f * c[j] + i * tanh(affine(p, "g", j, x, h)))
        out.append(o * tanh(cs[-1]))
    h = [dot(out, p["P"], k) for k in range(len(h))]
    return (h, cs), h


@transcription("mogrifier")
@transcription("mogrifier", rounds=2)
def mogrifier(p, state, x, t, cell):
    h, c = state
    for n in range(1, cell.rounds + 1):
        if n % 2 == 1:
            x = [2 * sigmoid(dot(h, p["Q"], k) + p["b_x"][k]) * x[k] for k in range(len(x))]
        else:
            h = [2 * sigmoid(dot(x, p["R"], j) + p["b_h"][j]) * h[j] for j in range(len(h))]
    hs, cs = [], []
    for j in each(p):
        i, f, o = (sigmoid(affine(p, g, j, x, h)) for g in "ifo")
        cs.append(f * c[j] + i * tanh(affine(p, "g", j, x, h)))
        hs.append(o * tanh(cs[-1]))
    return (hs, cs), hs


@transcription("cfc", backbone=5)
@transcription("cfc", backbone=3, elapsed=2.5)
def cfc(p, h, x, t, c):
    s = [1.7159 * tanh(0.666 * affine(p, "s", k, x, h)) for k in range(len(p["b_s"]))]
    new = []
    for j in range(len(h)):
        f, g, a, b = (affine(p, k, j, s) for k in "fgab")
        time = sigmoid(c.elapsed * a + b)
        new.append((1 - time) * tanh(f) + time * tanh(g))
    return new, new


# -- linear attention and the selective state space ---------------------------------------------------------------
def heads_of(v, heads, d):
    """The units of each head, the last ones filled up with 0."""
    v = v + [0.0] * (heads * d - len(v))
    return [v[n * d : (n + 1) * d] for n in range(heads)]


def read_out(qs, Ss, H, d):
    """Q S / sqrt(d) head by head, as units."""
    return [inner(q, [row[b] for row in S]) / sqrt(d) for q, S in zip(qs, Ss, strict=True) for b in range(d)][:H]


@transcription("deltanet")
@transcription("deltanet", heads=3)
def deltanet(p, state, x, t, c):
    y, Ss = state
    H, heads, d, new = len(y), len(Ss), len(Ss[0]), []
    q, k, v = ([a * sigmoid(a) for a in (dot(x, p[f"W_{g}"], j) for j in range(H))] for g in "qkv")
    q, k, v = (heads_of(a, heads, d) for a in (q, k, v))
    q, k = ([[a / sqrt(inner(part, part) + 1e-6) for a in part] for part in parts] for parts in (q, k))
    for n, S in enumerate(Ss):
        beta = sigmoid(dot(x, p["w_b"], n))
        held = [sum(k[n][a] * S[a][b] for a in range(d)) for b in range(d)]
        new.append([[S[a][b] + beta * k[n][a] * (v[n][b] - held[b]) for b in range(d)] for a in range(d)])
    y = read_out(q, new, H, d)
    return (y, new), y


@transcription("gla", rank=2)
@transcription("gla", rank=2, heads=3, temperature=2.0)
def gla(p, state, x, t, c):
    y, Ss = state
    H, heads, d = len(y), len(Ss), len(Ss[0])
    q, k, v = (heads_of([dot(x, p[f"W_{g}"], j) for j in range(H)], heads, d) for g in "qkv")
    low = [dot(x, p["W_a"], r) for r in range(c.rank)]
    gate = [sigmoid(dot(low, p["V_a"], j) + p["b_a"][j]) ** (1 / c.temperature) for j in range(H)]
    gate = heads_of(gate, heads, d)
    new = [[[gate[n][a] * S[a][b] + k[n][a] * v[n][b] for b in range(d)] for a in range(d)] for n, S in enumerate(Ss)]
    y = read_out(q, new, H, d)
    return (y, new), y


@transcription("s6", order=3)
def s6(p, state, x, t, c):
    y, s = state
    H, N = len(y), c.order
    v = [dot(x, p["W_v"], j) for j in range(H)]
    low = [dot(v, p["W_d"], r) for r in range(len(p["V_d"]))]
    B, C = ([dot(v, p[f"W_{g}"], n) for n in range(N)] for g in "BC")
    new, out = [], []
    for j in range(H):
        d = log(1 + exp(dot(low, p["V_d"], j) + p["b_d"][j]))
        new.append([exp(-d * exp(p["A_log"][j][n])) * s[j][n] + d * v[j] * B[n] for n in range(N)])
        out.append(inner(new[-1], C) + p["D"][j] * v[j])
    return (out, new), out


# -- continuous time, missing values, and the later state spaces ---------------------------------------------------
@transcription("ctrnn")
@transcription("ctrnn", solver="rk4", leak=False)
@transcription("ctrnn", solver="rk4", tau=2.0, dt=0.3, unfolds=2)
def ctrnn(p, h, x, t, c):
    n = range(len(h))

    def slope(h):
        driven = [tanh(affine(p, "h", j, x, h)) for j in n]
        return [driven[j] - h[j] / c.tau if c.leak else driven[j] for j in n]

    for _ in range(c.unfolds):
        k1 = slope(h)
        if c.solver == "euler":
            h = [h[j] + c.dt * k1[j] for j in n]
        else:
            k2 = slope([h[j] + c.dt * k1[j] / 2 for j in n])
            k3 = slope([h[j] + c.dt * k2[j] / 2 for j in n])
            k4 = slope([h[j] + c.dt * k3[j] for j in n])
            h = [h[j] + c.dt * (k1[j] + 2 * k2[j] + 2 * k3[j] + k4[j]) / 6 for j in n]
    return h, h


@transcription("gruode")
@transcription("gruode", dt=0.5, unfolds=2)
def gruode(p, h, x, t, c):
    for _ in range(c.unfolds):
        z = [sigmoid(affine(p, "z", j, x, h)) for j in range(len(h))]
        reset = [z[j] * h[j] for j in range(len(h))]
        n = [tanh(affine(p, "n", j, x, reset)) for j in range(len(h))]
        h = [h[j] + c.dt * (1 - z[j]) * (n[j] - h[j]) for j in range(len(h))]
    return h, h


@transcription("grud")
@transcription("grud", masked=True, decayed=True)
def grud(p, state, x, t, c):
    h, last = state
    D, H = len(last), len(h)
    v, m, d = (x[:D], x[D : 2 * D], x[2 * D :]) if c.masked else (x, [1.0] * D, [1.0] * D)
    last = [m[a] * v[a] + (1 - m[a]) * last[a] for a in range(D)]
    fade = [exp(-max(0.0, d[a] * p["w_a"][a] + p["b_a"][a])) for a in range(D)]
    u = [m[a] * v[a] + (1 - m[a]) * fade[a] * last[a] for a in range(D)]
    g = [exp(-max(0.0, dot(d, p["D_h"], j) + p["b_d"][j])) * h[j] for j in range(H)]
    missing = [1 - a for a in m]
    z, r = ([sigmoid(affine(p, k, j, u, g) + dot(missing, p[f"V_{k}"], j)) for j in range(H)] for k in "zr")
    reset = [r[j] * g[j] for j in range(H)]
    n = [tanh(affine(p, "n", j, u, reset) + dot(missing, p["V_n"], j)) for j in range(H)]
    h = [z[j] * (g if c.decayed else h)[j] + (1 - z[j]) * n[j] for j in range(H)]
    return (h, last), h


@transcription("s5", order=3)
def s5(p, state, x, t, c):
    y, s = state
    H, P = len(y), c.order
    v, new = [dot(x, p["W_v"], j) for j in range(H)], []
    for a in range(P):
        value = complex(p["Lambda_re"][a], p["Lambda_im"][a])
        kept = cmath.exp(value * exp(p["log_d"][a]))
        B = sum(v[j] * complex(p["B"][j][a], p["B"][j][P + a]) for j in range(H))
        new.append(kept * s[a] + B * (kept - 1) / value)
    C = [sum(new[a] * complex(p["C"][a][j], p["C"][a][H + j]) for a in range(P)) for j in range(H)]
    out = [2 * C[j].real + p["D"][j] * v[j] for j in range(H)]
    return (out, new), out


@transcription("griffin")
@transcription("griffin", heads=3, window=2)
def griffin(p, state, x, t, c):
    _, h, past = state
    H, d = len(h), len(p["W_r"][0])

    def gelu(a):
        return a / 2 * (1 + tanh(sqrt(2 / pi) * (a + 0.044715 * a**3)))

    def gate(k, u):
        return [
            sigmoid(p[f"b_{k}"][j] + sum(a * p[f"W_{k}"][j // d][b][j % d] for b, a in enumerate(u[j // d * d :][:d])))
            for j in range(H)
        ]

    seen = [*past, [dot(x, p["W_v"], j) + p["b_v"][j] for j in range(H)]]
    u = [p["b_k"][j] + sum(p["K"][n][j] * seen[-1 - n][j] for n in range(c.window)) for j in range(H)]
    r, i, new = gate("r", u), gate("i", u), []
    for j in range(H):
        f = sigmoid(p["Lambda"][j]) ** (c.c * r[j])
        new.append(f * h[j] + sqrt(1 - f * f) * i[j] * u[j])
    gated = [gelu(dot(x, p["W_a"], j) + p["b_a"][j]) * new[j] for j in range(H)]
    y = [dot(gated, p["W_o"], j) + p["b_o"][j] for j in range(H)]
    return (y, new, seen[1:]), y
