"""Steps of cells as the code that their authors released computes them, in NumPy, written down from reading it.

Each function takes the parameters of our cell, gives them the shapes that the code has, and runs all steps; its
`source` is what the cell's `witness` names: repository, file, function and commit.
"""

import numpy as np
import scipy.linalg

RUNS = {}


def transcribed(source, cell, **fields):
    def enter(run):
        RUNS[cell] = (source, fields, run)
        return run

    return enter


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


@transcribed("erichson/LipschitzRNN/models.py, rnn_models.forward, at 22d2ce3", "lipschitz")
def lipschitz(p, xs, c):
    def stable(M):
        return c.beta * (M - M.T) + (1 - c.beta) * (M + M.T) - c.gamma * np.eye(len(M))

    h, A, W, alpha = np.zeros(c.hidden), stable(p["U_A"]), stable(p["U_W"]), 1.0
    for x in xs:
        z = x @ p["W_h"] + p["b_h"]
        h = h + c.dt * alpha * (h @ A) + c.dt * np.tanh(h @ W + z)
        yield h


def legs(N):
    """The matrices of LegS by model/op.py's detour: M = -(lower triangle of 2q + 1, less the diagonal q)."""
    q = np.arange(N, dtype=float)
    M = -(np.tril(np.tile(2 * q + 1, (N, 1))) - np.diag(q))
    T = np.sqrt(np.diag(2 * q + 1))
    return T @ M @ np.linalg.inv(T), np.diag(T)


@transcribed("HazyResearch/hippo-code/model/memory.py, MemoryCell.forward and LSICell, at 7752388", "hippo", order=5)
def hippo(p, xs, c):
    (A, B), h, m = legs(c.order), np.zeros(c.hidden), np.zeros(c.order)
    eye, W_uxh = np.eye(c.order), np.concatenate([p["e_x"], p["e_h"]])
    W_hxm, W_g = (np.concatenate([p[f"W_{g}"], p[f"V_{g}"]]) for g in "nz")
    for time_step, x in enumerate(xs):
        u, t = np.concatenate([x, h]) @ W_uxh + p["b_f"], time_step - 1
        if t < 0:
            m = np.pad([u], (0, c.order - 1))
        else:
            At, Bt = A / (t + 1), B / (t + 1)
            dA, dB = np.linalg.solve(eye - At / 2, eye + At / 2) - eye, np.linalg.solve(eye - At / 2, Bt)
            m = m + dA @ m + dB * u
        seen = np.concatenate([x, m])
        hidden, g = np.tanh(seen @ W_hxm + p["b_n"]), sigmoid(seen @ W_g + p["b_z"])
        h = (1 - g) * h + g * hidden
        yield h


@transcribed("facebookarchive/SCRNNs/mfactory.lua, scrnn, at 75b0ab2", "scrn", context=3)
def scrn(p, xs, c):
    hid, slow = np.zeros(c.hidden), np.zeros(c.context)
    for x in xs:
        new_slow = (1 - c.alpha) * (x @ p["W_s"]) + slow @ (c.alpha * np.eye(c.context))
        hid = sigmoid(x @ p["W_h"] + hid @ p["U_h"] + slow @ p["V_h"])
        slow = new_slow
        yield np.concatenate([hid, slow])


@transcribed("tk-rusch/LEM/sMNIST/network.py, LEMCell.forward, at 1315eed", "lem", dt=0.7)
def lem(p, xs, c):
    """There i_dt1 drives y and i_dt2 drives z; the z that i_y and h_y make is our z."""
    inp2hid, inp_bias = (np.concatenate([p[f"{k}_{g}"] for g in ("2", "1", "y", "z")], axis=-1) for k in "Wb")
    hid2hid = np.concatenate([p[f"U_{g}"] for g in ("2", "1", "z")], axis=-1)
    y, z = np.zeros(c.hidden), np.zeros(c.hidden)
    for x in xs:
        i_dt1, i_dt2, i_z, i_y = np.split(x @ inp2hid + inp_bias, 4)
        h_dt1, h_dt2, h_y = np.split(y @ hid2hid, 3)
        ms_dt_bar, ms_dt = c.dt * sigmoid(i_dt1 + h_dt1), c.dt * sigmoid(i_dt2 + h_dt2)
        z = (1 - ms_dt) * z + ms_dt * np.tanh(i_y + h_y)
        y = (1 - ms_dt_bar) * y + ms_dt_bar * np.tanh(z @ p["U_y"] + i_z)
        yield y


@transcribed("lezcano/expRNN/orthogonal.py, OrthogonalRNN.forward, at 00cbf56", "exprnn")
def exprnn(p, xs, c):
    A_raw = np.zeros((c.hidden, c.hidden))
    A_raw[np.triu_indices(c.hidden, 1)] = -p["a"]  # our A is the transpose
    A = np.triu(A_raw, 1)
    B, hidden = scipy.linalg.expm(A - A.T), np.zeros(c.hidden)
    for x in xs:
        out = x @ p["W_h"] + hidden @ B
        hidden = np.sign(out) * np.maximum(np.abs(out) + p["b_h"], 0)
        yield hidden


@transcribed("amarshah/complex_RNN/models.py, complex_RNN, at 0fbd1f0", "urnn")
def urnn(p, xs, c):
    """With its do_fft and do_ifft where they stand as comments, its scale left out, and no 1e-5 below the bar."""
    n = c.hidden

    def times_diag(v, diag):
        re, im = v[:n], v[n:]
        return np.concatenate([re * np.cos(diag) - im * np.sin(diag), re * np.sin(diag) + im * np.cos(diag)])

    def times_reflection(v, reflection):
        re, im, r, i = v[:n], v[n:], reflection[:n], reflection[n:]
        size = (r**2 + i**2).sum()
        new_re = re - 2 / size * ((re @ r) * r + (re @ i) * i - (im @ i) * r + (im @ r) * i)
        new_im = im - 2 / size * ((im @ r) * r + (im @ i) * i + (re @ i) * r - (re @ r) * i)
        return np.concatenate([new_re, new_im])

    def transform(v, f):
        out = f(v[:n] + 1j * v[n:], norm="ortho")
        return np.concatenate([out.real, out.imag])

    reflection = [np.concatenate([r[:n], -r[n:]]) for r in p["r"]]  # ours is conjugated
    order, h = np.random.RandomState(n).permutation(n), p["h0"]
    for x in xs:
        step3 = times_reflection(transform(times_diag(h, p["theta"][0]), np.fft.fft), reflection[0])
        step4 = np.concatenate([step3[:n][order], step3[n:][order]])
        step7 = times_reflection(transform(times_diag(step4, p["theta"][1]), np.fft.ifft), reflection[1])
        lin = times_diag(step7, p["theta"][2]) + x @ p["V"]
        modulus = np.sqrt(lin[:n] ** 2 + lin[n:] ** 2)
        h = lin * np.tile(np.maximum(modulus + p["b_h"], 0) / modulus, 2)
        yield h


@transcribed("jzilly/RecurrentHighwayNetworks/rhn.py, RHNCell, at 264cfe7", "rhn", depth=3)
def rhn(p, xs, c):
    state = np.zeros(c.hidden)
    for x in xs:
        for i in range(c.depth):
            seen = np.concatenate([x, state]) if i == 0 else state
            h, t = (
                seen @ (np.concatenate([p[f"W_{g}"], p[f"U_{g}_1"]]) if i == 0 else p[f"U_{g}_{i + 1}"])
                + p[f"b_{g}_{i + 1}"]
                for g in "nt"
            )
            state = (np.tanh(h) - state) * sigmoid(t) + state
        yield state


@transcribed("0zgur0/STAckable-Recurrent-network/star.py, STARCell, at 811d1f9", "star")
def star(p, xs, c):
    """Our k is 1 - sigmoid(f): the weights of f are those of k with the other sign."""
    h, beta = np.zeros(c.hidden), 1
    weights_K, bias_K = -np.concatenate([p["W_k"], p["U_k"]]), -p["b_k"]
    for x in xs:
        f, j = np.concatenate([x, h]) @ weights_K + bias_K, x @ p["W_z"] + p["b_z"]
        h = np.tanh(sigmoid(f) * h + (1 - sigmoid(f - beta)) * np.tanh(j))
        yield h


@transcribed(
    "raminmh/liquid_time_constant_networks/experiments_with_ltcs/ctrnn_model.py, CTRNN and NODE, at cfc6a1f", "ctrnn"
)
def ctrnn(p, xs, c):
    """CTRNN.__call__ with global_feedback, lines 57-98."""
    state, W = np.zeros(c.hidden), np.concatenate([p["W_h"], p["U_h"]])
    for inputs in xs:
        for _ in range(6):
            fused_input = np.concatenate([inputs, state])
            f_prime = -state / 1 + np.tanh(fused_input @ W + p["b_h"])
            state = state + 0.1 * f_prime
        yield state


@transcribed("edebrouwer/gru_ode_bayes/gru_ode_bayes/models.py, GRUODECell.forward, at 19b236f", "gruode")
def gruode(p, xs, c):
    """GRUODECell.forward, lines 26-43, in the Euler step of NNFOwithBayesianJumps.ode_step."""
    h = np.zeros(c.hidden)
    for x in xs:
        for _ in range(10):
            z = sigmoid(x @ p["W_z"] + p["b_z"] + h @ p["U_z"])
            n = np.tanh(x @ p["W_n"] + p["b_n"] + (z * h) @ p["U_n"])
            h = h + 0.1 * ((1 - z) * (n - h))
        yield h


@transcribed("PeterChe1990/GRU-D/nn_utils/grud_layers.py, GRUDCell.call, at 9e1274a", "grud", masked=True)
def grud(p, xs, c):
    """GRUDCell.call, lines 140-273; its clock minus the last observed one is the time that we are given."""
    h, x_keep = np.zeros(c.hidden), np.zeros(len(p["w_a"]))
    for inputs in xs:
        input_x, input_m, input_d = np.split(inputs, 3)
        gamma_di = np.exp(-np.maximum(0, input_d * p["w_a"] + p["b_a"]))
        gamma_dh = np.exp(-np.maximum(0, input_d @ p["D_h"] + p["b_d"]))
        x_keep = np.where(input_m, input_x, x_keep)
        x_t = np.where(input_m, input_x, gamma_di * x_keep)
        h_tm1d, m_t = gamma_dh * h, 1.0 - input_m
        z_t, r_t = (sigmoid(x_t @ p[f"W_{g}"] + h_tm1d @ p[f"U_{g}"] + m_t @ p[f"V_{g}"] + p[f"b_{g}"]) for g in "zr")
        hh_t = np.tanh(x_t @ p["W_n"] + m_t @ p["V_n"] + p["b_n"] + (r_t * h_tm1d) @ p["U_n"])
        h = z_t * h + (1 - z_t) * hh_t
        yield h


@transcribed("lindermanlab/S5/s5/ssm.py, discretize_zoh and apply_ssm, at d133f4d", "s5")
def s5(p, xs, c):
    """discretize_zoh, lines 30-46, and apply_ssm with conj_sym, lines 64-100, their scan written as a loop."""
    P, H, Lambda = c.order, c.hidden, p["Lambda_re"] + 1j * p["Lambda_im"]
    B_tilde, C_tilde = (p["B"][:, :P] + 1j * p["B"][:, P:]).T, (p["C"][:, :H] + 1j * p["C"][:, H:]).T
    Lambda_bar = np.exp(Lambda * np.exp(p["log_d"]))
    B_bar = (1 / Lambda * (Lambda_bar - 1))[..., None] * B_tilde
    state = np.zeros(P, complex)
    for x in xs:
        u = x @ p["W_v"]
        state = Lambda_bar * state + B_bar @ u
        yield 2 * (C_tilde @ state).real + p["D"] * u
