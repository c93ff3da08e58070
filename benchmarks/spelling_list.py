"""Spellings that users of PyTensor and PyMC write, for `spellings.py`.

A spelling is the Python text of an expression.  In it `x` (or `a` and `b`, or the vector `v`) are
inputs, `s` and `t` are `sigmoid(x)` and `tanh(x)`, `sa` and `sb` are the sigmoids of `a` and `b`;
whatever else it calls is PyTensor's, or stands in `SHORTHANDS`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Spelling:
    """A text, the set of points it is measured at, and the inputs that count as variables."""

    text: str
    group: str
    points: str
    wrt: tuple[str, ...]


SHORTHANDS = {
    "Phi": "lambda u: 0.5 * erfc(-u / np.sqrt(2.0))",
    "Psi": "lambda u: (1 + erf(u / np.sqrt(2.0))) / 2",
    "sec": "lambda u: 1 / cos(u)",
    "logit": "lambda u: log(u / (1 - u))",
    "xlogx": "lambda u: u * log(u)",
    "mapped": "lambda f, u: __import__('pytensor').map(f, u, return_updates=False)",
    "softmax": "special.softmax",
    "log_softmax": "special.log_softmax",
}

# Points: "real"; "positive", "negative", "unit" (0 to 1), "small" (within 1, both signs).
ONE = {
    "sigmoid": """
        real: s | 1/(1+exp(-x)) | exp(x)/(1+exp(x)) | exp(x)/(exp(x)+1) | 1-1/(1+exp(x))
        real: exp(-x)/(1+exp(-x)) | (1+tanh(x/2))/2 | 0.5*tanh(0.5*x)+0.5 | reciprocal(1+exp(-x))
        real: exp(x)/(1+exp(x))**2 | exp(-x)/(1+exp(-x))**2 | 1/(2+exp(x)+exp(-x))
        real: 1-s | -s+1 | s-1 | 2-2*s | 1-1*s-0.0 | ones_like(s)-s | 1-sigmoid(-x) | 3-3*s
        real: 0.5-s | s-0.5 | 1-2*s | 2*s-1 | 1-s+x*0 | sigmoid(x)-sigmoid(-x)
        real: s*(1-s) | s-s**2 | s-s*s | sigmoid(x)*(1-sigmoid(x)) | s*s-s | x*s*(1-s) | 4*s*(1-s)
        real: sqrt(s*(1-s)) | 0.25-(s-0.5)**2 | 1-s**2 | 1-s*s | 1-sqr(s) | 1-s**3 | 1-sqrt(s)
        real: (1-s)**2 | 1-(1-s)**3 | 1-(1-s)**2 | s**3*(1-s)**2 | s*(1-s)*(1-2*s) | 1-2*s+s**2
        real: 1-s**2-(1-s)**2 | s**2*(1-s)-s*(1-s)**2 | (1-s)*(1+s) | s**3-s | 1-3*s+3*s**2-s**3
        real: 1-cast(s,'float64') | 1-s-s*(1-s) | s*(1-s)*(1-s)-s*s*(1-s) | 1-exp(log(s))
    """,
    "sigmoid ratio": """
        real: s/(1-s) | (1-s)/s | 1/s-1 | 3*(1-s)/s | 1/(1-s) | 1/(1-s)-1 | s/(1-s)**2 | 1/(s*(1-s))
        real: (1-2*s)/(s*(1-s)) | s**2/(1-s) | (1-s)/(1+s) | (s-1)/s | s*(1-s)/(1-s**2)
        real: sqrt(s/(1-s)) | (1-s**2)/(1-s) | s**0.3*(1-s)**0.7 | s/(1-s+0.1*s) | (1-s)/(2-s)
    """,
    "sigmoid log": """
        real: log(s) | log(1-s) | log1p(-s) | log(sigmoid(-x)) | log(s*(1-s)) | log(s)+log(1-s)
        real: log(s)+log1p(-s) | log(sigmoid(x))+log1p(-sigmoid(x)) | log2(s) | log10(1-s)
        real: log2(1-s) | log10(s) | log(1-s**2) | log1p(-s*s) | log1p(-s**2) | log(s**2) | log(1+s)
        real: log1p(s) | log((1-s)**3) | log(s/(1-s)) | logit(s) | log(s)-log(1-s) | log(2*(1-s))
        real: -log(1-s) | -log(s) | log(1/(1+exp(-x))) | log(exp(x)/(1+exp(x))) | log(sqrt(s))
        real: log(1-1/(1+exp(-x))) | s*log(s)+(1-s)*log(1-s) | s*log(s) | (1-s)*log1p(-s)
        real: log(0.3*s) | log(1-2*s) | -0.7*log(s)-0.3*log(1-s) | log(s)**2 | log(s-s**2)
        real: log(clip(s,0,1)) | log(clip(s,1e-300,1)) | xlogx(s) | log(1-0.9*s)
    """,
    "shape ops": """
        calls: s[None] | 1-s[None] | log(s[None]) | log(1-s[None]) | 1-s.reshape((1,1))
        calls: 1-s[np.array([0,0])] | log(s[np.array([0,0])]) | log1p(-s[np.array([0,0])])
        calls: log(1-s[np.array([0])]) | log(concatenate([s,1-s])) | log(concatenate([1-s,s]))
        calls: log(stack([s,1-s])) | log(stack([1-s,s],axis=-1)[:,0]) | log(join(0,s,1-s)[1:])
        calls: 1-s[0] | log(1-s[0]) | log1p(-s.reshape((1,1))) | (1-s.dimshuffle('x',0))*s
        calls: log1p(-s[:1]) | concatenate([s,s])*(1-concatenate([s,s])) | log(s.sum()) | 1-s.max()
        calls: log((stack([s,1-s],axis=-1))) | log(stack([s,1-s])[np.array([1,0,1])])
        calls: switch(ge(x,0),log(s),log(1-s)) | 1-t[None]**2 | log(1-t[np.array([0])]**2)
    """,
    "tanh": """
        real: t | 2/(1+exp(-2*x))-1 | (exp(x)-1)/(exp(x)+1) | (exp(x)-exp(-x))/(exp(x)+exp(-x))
        real: 2*sigmoid(2*x)-1 | (exp(2*x)-1)/(exp(2*x)+1) | sinh(x)/cosh(x) | 1-2/(exp(2*x)+1)
        real: 1-t | 1+t | 1-t**2 | 1-t*t | (1-t)*(1+t) | 1-sqr(t) | t-t**3 | 1/cosh(x)**2
        real: (1-t)/(1+t) | (1+t)/(1-t) | (1-t)/2 | t*(1-t**2) | sqrt(1-t**2) | 1-abs(t) | t**2-1
        real: log(1-t**2) | log1p(-t**2) | log(1-t) | log1p(t) | log((1+t)/2) | log((1-t)/(1+t))
        real: 0.5*log((1+t)/(1-t)) | log1p(-t) | arctanh(t) | 2*(np.log(2.0)-x-softplus(-2*x))
        unit: log(t)
    """,
    "exp": """
        real: exp(x)-1 | 1-exp(x) | 1-exp(-x) | exp(x)-exp(-x) | (exp(x)-exp(-x))/2 | exp(-x)-1
        real: (exp(x)+exp(-x))/2-1 | cosh(x)-1 | 1-exp(-x**2) | exp(x)-2+exp(-x) | exp(2*x)-1
        real: (1-exp(-x))/x | (exp(x)-1)/x | exp(x)/(exp(x)-1) | 1/(exp(x)-1) | x/(exp(x)-1)
        real: exp(-x)*s | exp(x)*(1-s) | exp(0.3*x)-1 | exp(2*x)-exp(x) | exp(x)*exp(x)-1
        real: (exp(x)-1)**2 | 1-exp(x)**2 | 2**x-1 | exp2(x)-1 | exp(-softplus(x))
        real: 1-2*exp(x)+exp(2*x)
        negative: log(1-exp(x)) | log1p(-exp(x)) | log1mexp(x) | log(-expm1(x)) | sqrt(1-exp(x))
        positive: log(exp(x)-1) | log(1-exp(-x)) | log(expm1(x)) | x+log(1-exp(-x))
        positive: log1p(-exp(-x)) | sqrt((exp(2*x)-1)/(exp(x)-1))
    """,
    "softplus": """
        real: softplus(x) | log(1+exp(x)) | log1p(exp(x)) | log(exp(x)+1) | log(exp(0.0)+exp(x))
        real: softplus(x)-x | x-softplus(x) | log(1+exp(-x)) | -log(1+exp(-x)) | x-log(1+exp(x))
        real: log(1+exp(x))-np.log(2.0) | softplus(x)-softplus(-x)
        real: log1p(exp(-abs(x)))+maximum(x,0) | 1-exp(-softplus(x))
        real: maximum(x,0)-x*0.3+log(1+exp(-abs(x))) | softplus(2*x)/2
        real: log(log(1+exp(x))) | logaddexp(0.0,x) | log(2+exp(x)) | log(1+exp(x)**2)
    """,
    "activations": """
        real: x*s | x/(1+exp(-x)) | x*s*(1-s)+s | x*tanh(softplus(x)) | x*tanh(log(1+exp(x)))
        real: x*tanh(log1p(exp(x))) | 0.5*x*(1+erf(x/np.sqrt(2))) | x*0.5*erfc(-x/np.sqrt(2))
        real: 0.5*x*(1+tanh(np.sqrt(2/np.pi)*(x+0.044715*x**3))) | x*sigmoid(1.702*x)
        real: x/(1+abs(x)) | 1-abs(x/(1+abs(x))) | maximum(x,0) | switch(x>0,x,exp(x)-1)
        real: log(cosh(x)) | log((exp(x)+exp(-x))/2) | softplus(2*x)-x-np.log(2.0)
        real: x*exp(x)/(1+exp(x))
        real: x+softplus(-2*x)-np.log(2.0) | abs(x)+log1p(exp(-2*abs(x)))-np.log(2.0)
    """,
    "normal": """
        real: Phi(x) | Psi(x) | 1-Phi(x) | 1-Psi(x) | 1-erf(x) | erf(x) | erfc(x) | 1-erfc(x)
        real: Psi(x)-0.5 | 2*Phi(x)-1 | Phi(x)*(1-Phi(x)) | 1-erf(x)**2 | 1-2*Psi(x) | Phi(-x)
        real: log(Phi(x)) | log(Psi(x)) | log(1-Phi(x)) | log1p(-Phi(x)) | log(erfc(x))
        real: log(0.5*erfc(x/np.sqrt(2))) | log(1-erf(x)) | exp(-x**2/2)/Phi(x) | log(1-erf(x)**2)
        real: exp(-x**2/2)/(1-Phi(x)) | erfcx(x) | 1-erf(x/2)
    """,
    "other": """
        small: 1-cos(x) | cos(x)-1 | (1-cos(x))/x**2 | (1-cos(x))/sin(x) | 2*(1-cos(x))
        small: 1-cos(x)**2
        small: 1-sec(x) | sec(x)-1 | log(cos(x)) | (x-sin(x)) | tan(x)-sin(x) | sin(x)/(1+cos(x))
        unit: sqrt(1+x)-1 | 1-sqrt(1-x) | sqrt(1+x**2)-1 | 1/sqrt(1+x)-1 | 1-1/(1+x) | sqrt(1-x)-1
        unit: log(1-x)/log(1+x) | log((1-x)/(1+x)) | log(1+x)-x | log(1+x) | log(1-x) | 1/(1+x)-1
        unit: log(x)-log(1-x) | log(x/(1-x)) | -x*log(x)-(1-x)*log(1-x) | 1-(1-x)**0.25 | (1+x)**2-1
        positive: sqrt(x+1)-sqrt(x) | 1/x-1/(x+1) | 1/(x+1)-2/x+1/(x-1) | log(x+1)-log(x)
        positive: arctan(x+1)-arctan(x) | (x+1)**(1/3)-x**(1/3) | 1/sqrt(x)-1/sqrt(x+1) | 1-x/(1+x)
        positive: (x+1)*log(x+1)-x*log(x)-1 | log(1+1/x) | sqrt(x**2+1)-x | x/(1+x)
        positive: log(x+sqrt(x**2+1))
        real: arcsinh(x) | log(1+x**2) | sqrt(x**2+1) | 1-1/(1+x**2) | x/sqrt(1+x**2) | arctan(x)
        real: exp(-exp(-x)) | 1-exp(-exp(x)) | log(1-exp(-exp(x))) | 1-exp(-exp(-x))
    """,
}

TWO = {
    "differences": """
        pairs: sa-sb | sigmoid(b)-sigmoid(a) | tanh(a)-tanh(b) | exp(a)-exp(b) | Phi(a)-Phi(b)
        pairs: Psi(a)-Psi(b) | erf(a)-erf(b) | softplus(a)-softplus(b) | cosh(a)-cosh(b)
        pairs: log(sa-sb) | log(Phi(a)-Phi(b)) | log(exp(a)-exp(b)) | log(sa)-log(sb)
        pairs: log(tanh(a)-tanh(b)) | a+log1p(-exp(b-a)) | a+log(1-exp(b-a)) | exp(-a)-exp(-b)
        pairs: 1/(1+exp(-a))-1/(1+exp(-b)) | exp(-softplus(a))-exp(-softplus(b)) | sa**2-sb**2
        pairs: arctan(a)-arctan(b) | a**2-b**2 | cos(a)-cos(b) | sin(a)-sin(b) | sa*(1-sb)-sb*(1-sa)
        pairs: (exp(a)-exp(b))/(a-b) | sqrt(1+a**2)-sqrt(1+b**2)
    """,
    "two arguments": """
        pairs: log(exp(a)+exp(b)) | logaddexp(a,b) | exp(a)/(exp(a)+exp(b)) | 1/(1+exp(b-a))
        pairs: log(exp(a)/(exp(a)+exp(b))) | a-log(exp(a)+exp(b)) | log(exp(a)+exp(b))-np.log(2.0)
        pairs: a*sigmoid(b) | log(1-sa*sb) | 1-sa*sb | sa*(1-sb) | sa*sb+(1-sa)*(1-sb) | sa-sa*sb
        pairs: sa+sb-sa*sb | 1-(1-sa)*(1-sb) | log(1-(1-sa)*(1-sb)) | log(sa*(1-sb)) | sa*(1-sa)*sb
        pairs: sa/(sa+sb) | log(sa/(1-sb)) | log(sa*sb) | 1-tanh(a)*tanh(b) | log(sa)+log(1-sb)
        pairs: sa*sb/(sa*sb+(1-sa)*(1-sb)) | sqrt(a**2+b**2) | log(sqrt(a**2+b**2)) | arctan2(a,b)
        pairs: a/(a**2+b**2) | sigmoid(a-b)*(1-sigmoid(a-b)) | log(1-sigmoid(a+b)) | exp(a)*(1-sb)
        pairs: log(1+exp(a)+exp(b)) | exp(a)/(1+exp(a)+exp(b)) | 1/(1+exp(a)+exp(b)) | a*(1-sb)
        power: sa**b*(1-sa)**(1-b) | sa**b | (1-sa)**b | log(sa**b) | b*log(1-sa) | b*log(sa)
        power: log1p(-sa**b) | 1-sa**b | 1-(1-sa)**b | log(b*sa) | log(b*(1-sa)) | log(b-b*sa)
    """,
    "likelihoods": """
        mix: log(w*s+(1-w)*t) | log(w*s+(1-w)*(1-s)) | w*s+(1-w)*(1-s) | log(w+(1-w)*s) | w+(1-w)*s
        mix: 1-(w+(1-w)*s) | log(1-(w+(1-w)*s)) | log1p(-(w+(1-w)*s)) | (1-w)-(1-w)*s | w-w*s
        mix: log(w)+log(1-s) | log(w*(1-s)) | log(1-w*s) | 1-w*s | log((1-w)+w*(1-s)) | w*s/(1-w*s)
        label: y-s | s-y | y*x-softplus(x) | softplus(x)-y*x | -y*log(s)-(1-y)*log(1-s)
        label: y*log(s)+(1-y)*log1p(-s) | log(y*s+(1-y)*(1-s)) | switch(y,log(s),log(1-s))
        label: (y-s)**2
        label: log(s**y*(1-s)**(1-y)) | y-1/(1+exp(-x)) | y-exp(x)/(1+exp(x)) | x*(y-s)
        label: log(1-abs(y-s)) | -log(sigmoid((2*y-1)*x)) | (y-s)/(s*(1-s))
        label: maximum(x,0)-x*y+log1p(exp(-abs(x)))
        soft: y-s | y*x-softplus(x) | -y*log(s)-(1-y)*log(1-s) | y*log(s)+(1-y)*log1p(-s)
        soft: maximum(x,0)-x*y+log(1+exp(-abs(x))) | s**y*(1-s)**(1-y) | log(y*s+(1-y)*(1-s))
        soft: s**y*(1-s)**2/(s**2*(1-s)**y) | (1-y)*x+log(1+exp(-x))
    """,
}

VECTOR = {
    "softmax": """
        vector: softmax(v)[0] | exp(v[0])/exp(v).sum() | (exp(v)/exp(v).sum())[0]
        vector: log(softmax(v))[0]
        vector: log(exp(v)/exp(v).sum())[0] | log_softmax(v)[0] | v[0]-log(exp(v).sum())
        vector: (v-log(exp(v).sum()))[0] | log(exp(v).sum()) | logsumexp(v) | 1-softmax(v)[0]
        vector: softmax(v)[0]*(1-softmax(v)[0]) | (softmax(v)*(1-softmax(v)))[0]
        vector: log(1-softmax(v)[0]) | log1p(-softmax(v)[0])
        vector: (exp(v-v.max())/exp(v-v.max()).sum())[0]
        vector: v[0]-logsumexp(v) | v.max()+log(exp(v-v.max()).sum()) | (softmax(v)*v).sum()
        vector: (softmax(v)-np.array([1.0,0.0,0.0]))[0] | -(softmax(v)*log(softmax(v))).sum()
        vector: (softmax(v)-softmax(v)**2)[0] | prod(1-sigmoid(v)) | 1-prod(sigmoid(v))
        vector: log(1-prod(1-sigmoid(v))) | log(1-sigmoid(v)).sum() | 1-sigmoid(v).max()
        vector: (sigmoid(v)*(1-sigmoid(v))).sum() | log(prod(sigmoid(v))) | 1-sigmoid(v.sum())
    """,
}

WRT = {"pairs": ("a", "b"), "power": ("a", "b"), "vector": ("v",), "shaped pairs": ("a", "b")}


def read(groups: dict[str, str]) -> list[Spelling]:
    """The spellings of a table: a line is a set of points, a colon, and texts between bars."""
    rows = []
    for group, block in groups.items():
        for line in block.strip().splitlines():
            points, _, texts = line.strip().partition(": ")
            for text in texts.split(" | "):
                rows.append(Spelling(text.strip(), group, points, WRT.get(points, ("x",))))
    return rows


SPELLINGS = read(ONE) + read(TWO) + read(VECTOR)
