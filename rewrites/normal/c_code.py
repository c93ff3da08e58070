"""The normal kernels in C; `kernels` says what each function is and why it is so."""

from pytensor_stabilize.rewrites.normal.coefficients import EXCESS, NODES, SECOND, SLOPE


def _array(name: str, values: tuple[float, ...]) -> str:
    body = ", ".join(repr(value) for value in values)
    return f"static const double {name}[{len(values)}] = {{{body}}};"


SUPPORT = "\n".join(
    [
        "#ifndef PYTENSOR_STABILIZE_NORMAL",
        "#define PYTENSOR_STABILIZE_NORMAL",
        "#include <math.h>",
        _array("ps_excess_c", EXCESS),
        _array("ps_second_c", SECOND),
        _array("ps_slope_c", SLOPE),
        _array("ps_nodes", tuple(node for node, _ in NODES)),
        _array("ps_weights", tuple(weight for _, weight in NODES)),
        r"""
#define PS_TWO_BY_SQRT_PI 1.1283791670955126
#define PS_SQRT_PI_BY_TWO 0.88622692545275801
#define PS_LARGE 1e100
typedef struct { double h, l; } ps_pair;
typedef struct { double sign, mirror, high, low; } ps_order;

static inline ps_pair ps_two_product(double a, double b) {
    ps_pair r = { a * b, 0.0 };
    if (fabs(a) < PS_LARGE && fabs(b) < PS_LARGE) r.l = fma(a, b, -r.h);
    return r;
}
static inline ps_pair ps_scaled(double x, double hi, double lo) {
    ps_pair r = ps_two_product(x, hi);
    r.l = fabs(r.h) < PS_LARGE ? r.l + x * lo : 0.0;
    return r;
}
static inline ps_pair ps_square(ps_pair u) {
    ps_pair r = ps_two_product(u.h, u.h);
    r.l += 2.0 * u.h * u.l;
    return r;
}
static inline double ps_exp_minus_square(ps_pair u) {
    if (fabs(u.h) > 28.0) return 0.0;
    ps_pair s = ps_square(u);
    return exp(-s.h) * (1.0 - s.l);
}
static inline double ps_exp_minus_gap(ps_pair high, ps_pair low) {
    if (high.h - low.h > 750.0 || high.h > PS_LARGE) return 0.0;
    ps_pair p = ps_square(high), q = ps_square(low);
    double gap = p.h - q.h;
    return exp(-gap) * (1.0 - (((p.h - gap) - q.h) + (p.l - q.l)));
}
static inline double ps_polynomial(const double* c, int n, double u) {
    double t = (u - 3.0) / (u + 3.0), total = 0.0;
    for (int i = 0; i < n; i++) total = total * t + c[i];
    return total;
}
static inline double ps_excess(double u) {
    if (u > 1e9) return 1.0 / u;
    return ps_polynomial(ps_excess_c, sizeof(ps_excess_c) / sizeof(double), u) / (u + 0.5);
}
static inline double ps_second(double u) {
    if (u > 1e9) return 1.0 / u / u;
    double total = ps_polynomial(ps_second_c, sizeof(ps_second_c) / sizeof(double), u);
    return total / (u + 1.0) / (u + 1.0);
}
static inline double ps_slope(double u) {
    if (u > 1e9) return 1.0 / u / u;
    double total = ps_polynomial(ps_slope_c, sizeof(ps_slope_c) / sizeof(double), u);
    return total / (u + 1.0) / (u + 1.0);
}
static inline double ps_scaled_tail(double u) {
    return PS_TWO_BY_SQRT_PI / (2.0 * u + ps_excess(u));
}
static inline double ps_tail(ps_pair u) {
    if (fabs(u.h) > 28.0) return erfc(u.h);
    return erfc(u.h) - PS_TWO_BY_SQRT_PI * exp(-u.h * u.h) * u.l;
}
static inline ps_pair ps_minus(ps_pair u) { ps_pair r = { -u.h, -u.l }; return r; }
static inline double ps_erfc_scaled(double x, double hi, double lo) {
    return ps_tail(ps_scaled(x, hi, lo));
}
static inline double ps_log_tail(ps_pair u, double factor) {
    if (u.h > PS_LARGE) return -u.h * u.h;
    ps_pair s = ps_square(u);
    return log(factor * ps_scaled_tail(u.h)) - s.l - s.h;
}
static inline double ps_log_erfc(double x, double hi, double lo) {
    ps_pair u = ps_scaled(x, hi, lo);
    return u.h < 0.5 ? log1p(-erf(u.h)) : ps_log_tail(u, 1.0);
}
static inline double ps_log_half_erfc(double x, double hi, double lo) {
    ps_pair u = ps_scaled(x, hi, lo);
    if (u.h < 0.0) return log1p(-0.5 * ps_tail(ps_minus(u)));
    return u.h < 0.5 ? log(0.5 * erfc(u.h)) : ps_log_tail(u, 0.5);
}
static inline double ps_log_erfcx(double x, double hi, double lo) {
    double h = ps_scaled(x, hi, lo).h;
    if (h < 0.5) return log1p(-erf(h)) + h * h;
    return h > PS_LARGE ? -log(h) - 0.57236494292470008 : log(ps_scaled_tail(h));
}
static inline double ps_ratio_of(ps_pair u) {
    if (u.h < 0.5) return ps_exp_minus_square(u) / erfc(u.h);
    return PS_SQRT_PI_BY_TWO * (2.0 * u.h + (ps_excess(u.h) + 2.0 * u.l));
}
static inline double ps_erfc_ratio(double x, double hi, double lo) {
    return ps_ratio_of(ps_scaled(x, hi, lo));
}
static inline double ps_excess_of(ps_pair u) {
    return u.h >= 0.0 ? ps_excess(u.h) : PS_TWO_BY_SQRT_PI * ps_ratio_of(u) - 2.0 * u.h;
}
static inline double ps_erfc_excess(double x, double hi, double lo) {
    return ps_excess_of(ps_scaled(x, hi, lo));
}
static inline double ps_erfc_second(double x, double hi, double lo) {
    ps_pair u = ps_scaled(x, hi, lo);
    return u.h >= 0.0 ? ps_second(u.h) : 1.0 - u.h * ps_excess_of(u);
}
static inline double ps_erfc_slope(double x, double hi, double lo) {
    ps_pair u = ps_scaled(x, hi, lo);
    if (u.h >= 0.0) return ps_slope(u.h);
    double slope = PS_TWO_BY_SQRT_PI * ps_ratio_of(u);
    return slope > 0.0 ? 2.0 - slope * (slope - 2.0 * u.h) : 2.0 + slope;
}
static inline double ps_erfc_curvature(double x, double hi, double lo) {
    ps_pair u = ps_scaled(x, hi, lo);
    if (u.h >= 0.0) return 2.0 - ps_slope(u.h);
    double slope = PS_TWO_BY_SQRT_PI * ps_ratio_of(u);
    return slope > 0.0 ? slope * (slope - 2.0 * u.h) : slope;
}
static inline double ps_scaled_difference(double low, double high, double delta) {
    double q = delta * (low + high), total = 0.0;
    if (q >= 2.0) return ps_scaled_tail(low) - exp(-q) * ps_scaled_tail(high);
    for (size_t i = 0; i < sizeof(ps_nodes) / sizeof(double); i++) {
        double s = delta * ps_nodes[i];
        total += ps_weights[i] * exp(-s * (2.0 * low + s));
    }
    return PS_TWO_BY_SQRT_PI * delta * total;
}
static inline ps_order ps_ordered(double a, double b) {
    ps_order r = { a < b ? -1.0 : 1.0, 1.0, a < b ? b : a, a < b ? a : b };
    if (r.high + r.low < 0.0) {
        double high = r.high;
        r.mirror = -1.0; r.high = -r.low; r.low = -high;
    }
    return r;
}
static inline double ps_length(ps_order o, double hi, double lo) {
    double d = o.high - o.low;
    return d < PS_LARGE ? d * hi + d * lo : d * hi;
}
static inline double ps_erf_difference(double a, double b, double hi, double lo) {
    if (a == b) return 0.0;
    ps_order o = ps_ordered(a, b);
    ps_pair uh = ps_scaled(o.high, hi, lo), ul = ps_scaled(o.low, hi, lo);
    if (!(ul.h > 0.0)) return o.sign * (erf(uh.h) + erf(-ul.h));
    double delta = ps_length(o, hi, lo);
    if (delta * (uh.h + ul.h) > 40.0) return o.sign * ps_tail(ul);
    return o.sign * ps_exp_minus_square(ul) * ps_scaled_difference(ul.h, uh.h, delta);
}
static inline double ps_log_half_erf_difference(double a, double b, double hi, double lo) {
    if (a == b) return -INFINITY;
    if (a < b) return NAN;
    ps_order o = ps_ordered(a, b);
    ps_pair uh = ps_scaled(o.high, hi, lo), ul = ps_scaled(o.low, hi, lo);
    if (!(ul.h > 0.0)) {
        double half = 0.5 * (erf(uh.h) + erf(-ul.h));
        return half < 0.5 ? log(half) : log1p(-0.5 * (ps_tail(uh) + ps_tail(ps_minus(ul))));
    }
    ps_pair s = ps_square(ul);
    return log(0.5 * ps_scaled_difference(ul.h, uh.h, ps_length(o, hi, lo))) - s.l - s.h;
}
static inline double ps_log_erf_difference(double a, double b, double hi, double lo) {
    if (a == b) return -INFINITY;
    if (a < b) return NAN;
    ps_order o = ps_ordered(a, b);
    ps_pair uh = ps_scaled(o.high, hi, lo), ul = ps_scaled(o.low, hi, lo);
    double total = erf(uh.h) - erf(ul.h);
    if (total >= 0.5) return log1p(-(erf(ul.h) + ps_tail(uh)));
    if (!(ul.h > 0.0)) return log(total);
    ps_pair s = ps_square(ul);
    return log(ps_scaled_difference(ul.h, uh.h, ps_length(o, hi, lo))) - s.l - s.h;
}
static inline double ps_erf_difference_ratio(double a, double b, double hi, double lo) {
    if (a == b) return ps_exp_minus_square(ps_scaled(a, hi, lo)) > 0.0 ? INFINITY : NAN;
    ps_order o = ps_ordered(a, b);
    ps_pair uh = ps_scaled(o.high, hi, lo), ul = ps_scaled(o.low, hi, lo);
    int at_high = o.sign * o.mirror > 0.0;
    if (!(ul.h > 0.0))
        return o.sign * ps_exp_minus_square(at_high ? uh : ul) / (erf(uh.h) + erf(-ul.h));
    double delta = ps_length(o, hi, lo), total = ps_scaled_difference(ul.h, uh.h, delta);
    return o.sign * (at_high ? ps_exp_minus_gap(uh, ul) : 1.0) / total;
}
static inline double ps_erf_difference_excess(double a, double b, double hi, double lo) {
    ps_order o = ps_ordered(a, b);
    ps_pair ul = ps_scaled(o.low, hi, lo);
    if (o.sign * o.mirror > 0.0 || a == b || !(ul.h > 0.0))
        return PS_TWO_BY_SQRT_PI * ps_erf_difference_ratio(a, b, hi, lo)
            + 2.0 * ps_scaled(a, hi, lo).h;
    double uh = ps_scaled(o.high, hi, lo).h, delta = ps_length(o, hi, lo);
    double near_end = ps_excess(ul.h) * ps_scaled_tail(ul.h);
    double far_end = 2.0 * ul.h * exp(-delta * (uh + ul.h)) * ps_scaled_tail(uh);
    return -o.mirror * (near_end + far_end) / ps_scaled_difference(ul.h, uh, delta);
}
#endif""",
    ]
)
