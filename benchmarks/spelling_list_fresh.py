"""Spellings written down after the rules had been developed on the other two lists.

Models, losses and activations as a person types them, none of them a torture test.  Same form as
`spelling_list.py`.
"""

from spelling_list import read

ONE = {
    "fresh links": """
        real: expit(x)*(1.0-expit(x)) | 0.5*(1.0+tanh(0.5*x)) | (1+exp(-x))**-1
        real: (1.0+exp(x*-1))**-1.0 | 1.0/(1.0+1.0/exp(x)) | 1-0.5*(1+tanh(x/2))
        real: exp(x/2)/(exp(x/2)+exp(-x/2)) | exp(-exp(x)) | 1-exp(-log(2.0)*exp(x))
        real: 0.5*(1+erf(x/sqrt(2.0))) | log(0.5*(1+erf(x/sqrt(2.0)))) | 1-0.5*erfc(x/sqrt(2.0))
        real: log(1-0.5*erfc(-x/sqrt(2.0))) | 1/(1+exp(-1.702*x)) | clip(sigmoid(x),0,1)*(1-s)
        real: (x/sqrt(1+x**2)+1)/2 | 1/np.pi*arctan(x)+0.5 | log(-log(1-s)) | log(-log1p(-s))
    """,
    "fresh likelihoods": """
        label: y*log(s)+(1-y)*log(1-s) | y*log(s+0.0)+(1.0-y)*log(1.0-s)
        label: log(switch(eq(y,1),1-exp(-exp(x)),exp(-exp(x)))) | y*x-log(1+exp(x))
        label: log(0.02+0.96*where(y>0.5,s,1-s)) | log(0.25+0.75*s)*y+log(1-(0.25+0.75*s))*(1-y)
        label: log(1-0.1*s)*(1-y)+y*log(0.1*s) | y*log(1-(1-s)**5)+(1-y)*5*log(1-s)
        label: log(y*(1-(1-s)**3)+(1-y)*(1-s)**3)
        mix: log(w+(1-w)*exp(-exp(x))) | log((1-w)*(1-s)) | log1p(-w*s) | log(w)+log1p(-s)
        mix: w*s/(w*s+(1-w)*(1-s)) | log(1-s+s*w) | w*s/(w*s+1-s) | (1-w)*s/(1-w*s)
        mix: s*(1-w)/(s*(1-w)+1-s) | log(1-w-s+2*w*s) | s*(1-s)**2*w/(s*w+(1-s)) | log(s+(1-s)*w**4)
        mix: s/(s+(1-s)*w**4) | 1-(1-w*s)**3
        real: log(1-(1-s)**4) | log(s)-log(1-exp(-exp(x))) | x-exp(x)-log(1-exp(-exp(x)))
        real: log(s+(1-s)*exp(-2.5)) | log(1-s)-2.5+log(7.0) | 1-(1-s)*exp(-2.5)-s
        real: (1-s)*exp(-3)/(s+(1-s)*exp(-3)) | s/(1-s*exp(-3.0)) | log(s*0.3+(1-s)*0.7)-log(s)
    """,
    "fresh survival": """
        real: log(1-exp(-softplus(x))) | exp(x)*exp(-exp(x))
        positive: log(1-exp(-(x/2.0)**1.5)) | exp(-x)-exp(-2*x) | 1/(1+x**2.5) | 1-1/(1+x**2.5)
        positive: x**2.5/(1+x**2.5) | log(x**1.5/(1+x**1.5)) | 1-(1+x)*exp(-x) | 1-(1+x/3.0)**-3
        positive: log(1-(1+x/3.0)**-3) | log(1-exp(-x))-log(x)
        positive: 1.5*x**0.5*exp(-x**1.5)/(1-exp(-x**1.5)) | log(1-Phi(log(x)))
        power: 1-exp(-b*exp(a)) | log(exp(-b)-exp(-b*(1+exp(a)))) | b**2*exp(a)/(1+b**2*exp(a))
        power: 1-(1+exp(a)/b)**-b | log(b/(b+exp(a))) | b*log(b/(b+exp(a)))+3*log(exp(a)/(b+exp(a)))
        power: log(1-(b/(b+exp(a)))**b) | 1/(1+(b/exp(a))**2) | sa**b*(1-sa)
        power: sa**b/(sa**b+(1-sa)**b) | 1-exp(-exp(a)*b**1.5) | b*exp(-a)/(1+b*exp(-a))
    """,
    "fresh activations": """
        real: x*0.5*(1+erf(x/np.sqrt(2.0))) | x*expit(1.702*x) | switch(x>0,x,exp(x)-1.0)
        real: log(1+exp(x))-log(2.0) | tanh(x)**2-1 | 1.0-sqr(tanh(x)) | (1-t)*(1+t)/2
        real: log(1+exp(5.0*x))/5.0 | 2/(1+exp(-x))-1 | sigmoid(x/0.1)*(1-sigmoid(x/0.1))
        real: clip(0.2*x+0.5,0,1)*s | s*t | (1-s)*t+s*0.5 | x-t | 1.7159*tanh(2.0/3.0*x)
        real: (1-s)*0.3+s*t | 1-tanh(softplus(x)) | log(tanh(softplus(x)))
        real: softplus(x-1)-softplus(x-2) | log((1+exp(x+1))/(1+exp(x-1)))
    """,
    "fresh losses": """
        label: -(1-s)**2*y*log(s)-s**2*(1-y)*log(1-s) | (s-y)**2 | sqr(y-s) | 1-2*s*y/(s+y)
        label: 1-(2*s*y+1.0)/(s+y+1.0) | 1-s*y/(s+y-s*y) | log(1+exp((1-2*y)*x))
        label: maximum(0,1-(2*y-1)*t)**2 | -0.9*y*log(s)-0.1*(1-y)*log(1-s) | abs(s-y)*s*(1-s)
        soft: -(y*log(s)+(1-y)*log(1-s))+y*log(y)+(1-y)*log(1-y) | s*log(s/y)+(1-s)*log((1-s)/(1-y))
        soft: -((0.9*y+0.05)*log(s)+(1-(0.9*y+0.05))*log(1-s)) | (y-s)*x | (sqrt(s)-sqrt(y))**2
        soft: 1-sqrt(s*y)-sqrt((1-s)*(1-y)) | -log(1-(s-y)**2)
        real: -s*log(s)-(1.0-s)*log(1.0-s) | log(2.0)+s*log(s)+(1-s)*log(1-s)
        real: 2*s*(1-s)/(s**2+(1-s)**2) | log(s/(1-s))/1.5 | sigmoid(log(s/(1-s))/2+0.3)
        real: s**0.5/(s**0.5+(1-s)**0.5) | arcsin(sqrt(s)) | log(s)**2-log(1-s)**2
    """,
    "fresh physics": """
        real: 1/(exp(x-2.0)+1) | 1/(exp(x)+1)*(1-1/(exp(x)+1)) | cosh(x)/sinh(x)-1/x | 1-x/tanh(x)
        real: 1/(1+9*exp(-x)) | 100/(1+(100/5.0-1)*exp(-0.5*x)) | 1-1/(1+9*exp(-x)) | (1-exp(-x))**2
        real: exp(-2*x)-2*exp(-x) | log(2*cosh(x))-abs(x)
        real: 0.1*log(1+exp(x/0.1))-0.1*log(1+exp((x-1)/0.1)) | 0.5*(tanh(x+1)-tanh(x-1))
        positive: 1/(exp(x)-1)+0.5 | sqrt(1+1/x)-1 | x*log(1+1/x) | 1-sqrt(1-exp(-x))
        unit: log(x/(1-x))+0.5 | 1-(1-x)**10 | sigmoid(log(x/(1-x))+1.5)
        unit: x*exp(1.5)/(1-x+x*exp(1.5)) | log(1-x**3)
    """,
}
TWO = {
    "fresh pairs": """
        pairs: sigmoid(a)-sigmoid(b) | log(sigmoid(b)-sigmoid(a))
        pairs: 0.5*(erf(b/np.sqrt(2.0))-erf(a/np.sqrt(2.0))) | log(Phi(b)-Phi(a))
        pairs: 1-exp(b)/(exp(a)+exp(b)) | log(1/(1+exp(a)+exp(b))) | 1-1/(1+exp(a)+exp(b))
        pairs: (1-sa)*a+sa*tanh(b) | sa*tanh(b) | sa*(1-sb)+sb*(1-sa) | sa/(1-sa)/(sb/(1-sb))
        pairs: sb/(sa+sb) | sa/(1-(1-sa)*(1-sb)) | tanh(a)*(1-tanh(b)**2) | sa*b/(1+exp(-b))
        pairs: (1-sa)*tanh(b)+sa*0.2 | sigmoid(a)*exp(-exp(b)) | log((1-sa)*(1-exp(-exp(b))))
        pairs: 1-sa-sb+sa*sb | sa*(1-sa)/(sa*(1-sa)+sb*(1-sb)) | (sa-sb)/(sa*(1-sa)) | (sa-sb)**2
        pairs: sa*log(sa/sb) | log(sa)*sb+log(1-sa)*(1-sb) | 1/(1+exp(-(a-b)/0.5))
    """,
}
VECTOR = {
    "fresh vectors": """
        vector: exp(v)/sum(exp(v)) | exp(v-max(v))/sum(exp(v-max(v))) | v-log(sum(exp(v)))
        vector: log(exp(v)/sum(exp(v))) | softmax(v/0.5)[1] | (lambda p: p[0]*(1-p[0]))(softmax(v))
        vector: log(1-softmax(v)[2]) | 1-sqr(softmax(v)).sum() | -log_softmax(v)[1]
        vector: (1-softmax(v))**2 | log(0.1+0.7*softmax(v)[0])
        vector: (lambda p: p[0]/(p[0]+p[1]))(softmax(v)) | exp(log_softmax(v))
        vector: stack([sigmoid(v[0]),1-sigmoid(v[0])])[1] | log(stack([1-sigmoid(v),sigmoid(v)]))[0]
        vector: log(concatenate([1-sigmoid(v[:1]),sigmoid(v[:2])-sigmoid(v[1:]),sigmoid(v[2:])])[0])
        vector: log(sigmoid(v[0])+(1-sigmoid(v[0]))*prod(1-sigmoid(v[1:])))
        vector: cumprod(1-sigmoid(v))[-1] | sigmoid(v[0])*cumprod(1-sigmoid(v))[1]
        vector: mean((sigmoid(v)-np.array([0.,1.,1.]))**2)
        vector: logsumexp(stack([log(0.3)+v[0],log(0.7)+v[1]])) | 1-exp(v[0])/(1+exp(v).sum())
        vector: log(mean(exp(v))) | log_softmax(stack([v[0],v[1],v[0]*0]))[2]
        vector: softmax(v.reshape((1,3)))[0,1]
    """,
}

SPELLINGS = read(ONE) + read(TWO) + read(VECTOR)
