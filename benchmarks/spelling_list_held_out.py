"""Spellings on which no rule was developed: written down before any of them was measured.

What losses, likelihoods, activations, physics and the classics of floating point look like in
the hands of people who never saw `spelling_list.py`.  Same form as there.
"""

from spelling_list import read

ONE = {
    "held-out losses": """
        label: -(y*(1-s)**2*log(s)+(1-y)*s**2*log(1-s)) | -(y*s+(1-y)*(1-s))**0.5
        label: (lambda p: -(1-p)**2*log(p))(y*s+(1-y)*(1-s)) | 1-(2*s*y+1)/(s+y+1)
        label: 1-(s*y+1e-6)/(s*y+0.3*s*(1-y)+0.7*(1-s)*y+1e-6) | (y-s)**2 | (y-s)**2/(s*(1-s))
        label: log(1+exp(-(2*y-1)*x)) | log1p(exp(-(2*y-1)*x)) | maximum(0,1-(2*y-1)*tanh(x))
        label: -y*log(s)-(1-y)*log(1-s) | -(y*log(s)+(1.0-y)*log1p(-s))
        label: -log(where(eq(y,1),s,1-s))
        label: abs(y-s) | -log(1-abs(y-s)) | -log(s**y*(1-s)**(1-y)) | (s-y)*s*(1-s) | y-tanh(x)
        soft: -((y*0.95+0.025)*log(s)+(1-(y*0.95+0.025))*log(1-s))
        soft: maximum(x,0)-x*y+log(1+exp(-abs(x)))
        soft: log(1+exp(x))-y*x | y*log(y/s)+(1-y)*log((1-y)/(1-s)) | softplus(x)-x*y
        real: -0.25*(1-s)**2*log(s) | -0.75*s**2*log(1-s) | -(1-s)**1.5*log(s) | log(1+exp(1-x))
        real: -s*log(s)-(1-s)*log(1-s) | -(s*log2(s)+(1-s)*log2(1-s)) | -(s*log(s)+(1-s)*log1p(-s))
        real: s*log(s/(1-s)) | -log(s)-log(1-s) | log(cosh(x)) | x+log(1+exp(-2*x))-np.log(2.0)
        real: log((exp(x)+exp(-x))/2) | sqrt(1+x**2)-1 | 1-exp(-x**2/2) | 1-1/(1+x**2)
        real: 2*(1-s)*s*x
    """,
    "held-out likelihoods": """
        real: 1-exp(-exp(x)) | log(1-exp(-exp(x))) | exp(-exp(-x)) | 1-exp(-exp(-x))
        real: log1p(-exp(-exp(x)))
        label: y*log(1-exp(-exp(x)))-(1-y)*exp(x) | y*log(Phi(x))+(1-y)*log(1-Phi(x))
        label: log(y*Psi(x)+(1-y)*(1-Psi(x))) | y*log(0.2+0.8*s)+(1-y)*log(1-(0.2+0.8*s))
        label: y*log(0.1+0.85*s)+(1-y)*log(1-0.1-0.85*s) | y*x-exp(x)-log(1-exp(-exp(x)))
        real: -x-2*log(1+exp(-x)) | log(exp(-x)/(1+exp(-x))**2) | x-2*log(1+exp(x)) | -(x+exp(-x))
        real: exp(-(x+exp(-x))) | log(sigmoid((x-0.3)/1.7)*(1-sigmoid((x-0.3)/1.7))/1.7)
        real: where(x<0,0.5*exp(x),1-0.5*exp(-x)) | 1-where(x<0,0.5*exp(x),1-0.5*exp(-x))
        real: 0.5*(1+sgn(x)*(1-exp(-abs(x)))) | log(0.5+0.5*sgn(x)*(1-exp(-abs(x))))
        real: 2/(exp(x)+exp(-x)) | -log(exp(x)+exp(-x)) | 1/(exp(0.5*x)+exp(-0.5*x))**2
        real: log(1+x**2/5) | (1+x**2/3)**-2 | -3*log1p(x**2/5)
        real: 1.7**2*sigmoid(1.7*x)*(1-sigmoid(1.7*x))
        real: 0.2+0.8*s | 1-(0.2+0.8*s) | log(1-(0.2+(1-0.2)*s)) | 1-(0.25+0.75/(1+exp(-1.7*x)))
        real: (lambda p: ((p-0.25)/(1-0.25))**2*(1-p)/p)(0.25+0.75*s) | log(0.02+0.98*(1-s))
        real: log(s+(1-s)*np.exp(-1.3)) | log((1-s)*np.exp(-1.3)) | log(1-s)+log(1-np.exp(-2.0))
        real: log(sigmoid(1.3-x)-sigmoid(0.2-x)) | sigmoid(x+1)-sigmoid(x-1)
        real: log(1-sigmoid(2.0-x))
        real: log(Phi(1.3-x)-Phi(0.2-x)) | Phi(x+1)-Phi(x-1) | (1-s)*sigmoid(x-1) | 1-Phi(2.0-x)
        real: log((1-s)*(1-sigmoid(x-1))*sigmoid(x-2))
        real: log(sigmoid((x+0.5)/0.3)-sigmoid((x-0.5)/0.3))
        real: 1.3*log(s)+0.4*log(1-s) | log(1-s**2) | 1-(1-s**2)**3 | log1p(-s**1.7)
        real: log(1-(1-s)**3)
        real: -2.5*log(1+exp(x)/2.5) | 1-2.5/(2.5+exp(x)) | log(exp(x)/(exp(x)+2.5)) | s*(1-s)/11
        real: log(Phi((0.3-x)/1.2)) | exp(-0.5*x**2)/np.sqrt(2*np.pi)/(1-Phi(x))
        real: log(2*Phi(3*x))-x**2/2
        real: log(s+(1-s)*exp(-softplus(x))) | gammaln(1+s)-gammaln(2-s) | log(1-0.3*s)
        real: log(s)-log(1-s)
        unit: log(x/(1-x)) | -log(x)-log(1-x) | -0.5*log(x/(1-x))**2-log(x*(1-x)) | -log(-log(x))
        unit: log(-log(1-x)) | log(1-(1-x)**2) | -x*log(x)-(1-x)*log(1-x) | sqrt(2.0)*erfinv(2*x-1)
        mix: sigmoid((x+log(w)-log(1-w))/0.5) | 1-sigmoid(x+log(w/(1-w))) | log(w*s+(1-w)*(1-s))
        mix: log(w*exp(x)+(1-w)*exp(-x)) | w*s/(w*s+(1-w)*0.5) | log(w+(1-w)*s) | 1-w*s | log(w*s)
        mix: w*exp(x)/(w*exp(x)+1-w) | log(1-w+w*exp(x)) | log(1-w*(1-s)) | (1-w)*s+w*(1-s)
        mix: w**s-1
    """,
    "held-out activations": """
        real: x*s | x/(1+exp(-x)) | 1.7*x*sigmoid(1.7*x) | x*tanh(log(1+exp(x)))
        real: x*tanh(softplus(x))
        real: 0.5*x*(1+erf(x/np.sqrt(2.0))) | x*Phi(x) | x*sigmoid(1.702*x) | x-tanh(x) | x*tanh(x)
        real: 0.5*x*(1+tanh(0.7978845608*(x+0.044715*x**3)))
        real: 1.0507*where(x>0,x,1.67326*(exp(x)-1))
        real: where(x>0,x,exp(x)-1) | maximum(0,x)+minimum(0,1.5*(exp(x/1.5)-1)) | x/(1+abs(x))
        real: 1-x/(1+abs(x)) | clip(0.2*x+0.5,0,1) | x*clip(x+3,0,6)/6 | (x+sqrt(x**2+4))/2
        real: x/sqrt(1+x**2) | 1-x/sqrt(1+x**2) | x*tanh(exp(x)) | x*log(1+s) | x*tanh(log(1+s))
        real: x*erf(log(1+exp(x))) | 1.7159*tanh(0.6667*x) | log(log(1+exp(x)))
        real: log(0.5*exp(x)+0.5)
        real: softplus(x)-softplus(-x) | softplus(x+1)-softplus(x) | log(1+exp(3*x))/3
        real: s*(1+x*(1-s))
        real: softplus(x)-np.log(2.0) | 1-2/(exp(2*x)+1) | exp(-softplus(x)) | 1-exp(-softplus(x))
        real: log(1-tanh(x)**2) | log(1-tanh(x)**2+1e-6) | log(1+0.5*(1-tanh(x)**2))
        real: 1-tanh(x/2)**2
        real: where(x>0,1/(1+exp(-x)),exp(x)/(1+exp(x)))
        real: where(ge(x,0),1/(1+exp(-abs(x))),1-1/(1+exp(-abs(x))))
        real: (1+sin(x))/2-0.5 | 1-2*s+s**2 | s**3-s | s**2*(3-2*s) | 6*s*(1-s) | 1-s**2-(1-s)**2
        positive: log(exp(x)-1) | x+log(1-exp(-x)) | x+log(-expm1(-x)) | log(x/(1+x))
        positive: tanh(log(x))
    """,
    "held-out physics": """
        real: 1/(exp(x)+1) | 1-1/(exp(x)+1) | 1/(exp(x)-1) | x/(exp(x)-1) | 1+1/(exp(x)-1)
        positive: x**3/(exp(x)-1) | x**2*exp(x)/(exp(x)-1)**2 | 1/tanh(x)-1/x
        positive: log(x**3/(exp(x)-1))
        positive: 1/tanh(x)-1 | x/tanh(x)-1 | (1-exp(-x))/x | 1-(1-exp(-x))/x | 1-exp(-x**1.5)
        positive: log(1-exp(-x**1.5)) | log(1-exp(-(x/2)**1.5)) | 1/(1+x**1.3) | 1-1/(1+x**1.3)
        positive: x**2/(1+x**2) | 1-x**2/(1+x**2) | x**2.5/(3.0**2.5+x**2.5) | 1-1/(1+(x/3)**2.5)
        positive: 1/(1+exp(-2.5*(log(x)-np.log(3.0)))) | 0.1+0.9/(1+(x/3)**1.5) | 1-x/(1+x)
        positive: (x**0.3-1)/0.3 | ((1+x)**0.3-1)/0.3 | 1-Phi(log(x)) | 1-exp(-x)
        positive: sqrt(x+1)-sqrt(x)
        unit: 1/sqrt(1-x**2)-1 | 1-sqrt(1-x**2) | 0.5*log((1+x)/(1-x)) | log((1-x)/(1+x))
        real: 10/(1+9*exp(-x)) | 10-10/(1+9*exp(-x)) | exp(-9*exp(-x)) | 1-exp(-9*exp(-x))
        real: (lambda P: 0.3*P*(1-P/10))(10/(1+9*exp(-x))) | exp(-0.3*(exp(x)-1))
        real: 1-exp(-0.3*(exp(x)-1))
        real: (exp(0.1*x)-1)/0.1 | 1-1/(1+10**(x/4)) | 10**x/(1+10**x) | 1-2**x/(1+2**x)
        real: exp(x)-1-x
        real: exp(2.0*(cos(x)-1)) | log(1+exp(x)+exp(2*x)) | (1-exp(-2*x))/(1+exp(-2*x))
        real: 1-1/cosh(x)
        small: (1+x)**12-1 | ((1+x)**12-1)/x | (1-(1+x)**-30)/x | (exp(x)-1)/x | log(1+x)/x
        small: 1/(1-x)-1
    """,
    "held-out classics": """
        positive: 1/sqrt(x)-1/sqrt(x+1) | 1/(x+1)-1/x | (x+1)**(1/3)-x**(1/3) | log(x+1)-log(x)
        positive: arctan(x+1)-arctan(x) | log(x+sqrt(x**2+1)) | (x+1)*log(x+1)-x*log(x)-1
        positive: sqrt(x**2+x)-x
        real: exp(x)+exp(-x)-2 | exp(x)/(exp(x)-1) | sqrt((exp(2*x)-1)/(exp(x)-1))
        real: (exp(x)-exp(-x))/2
        real: -x+sqrt(x**2+1) | (exp(x)-2)+exp(-x) | log(1+exp(x))-x | exp(2*x)-exp(x)
        real: (exp(x)-1)**2
        small: (1-cos(x))/x**2 | (1-cos(x))/sin(x) | 1/x-1/tan(x) | (x-sin(x))/(x-tan(x))
        small: 1/cos(x)-1
        small: log(1-x)/log(1+x) | tan(x)-sin(x) | 0.5*log1p(x)-0.5*log1p(-x) | sin(x)/x
        small: x-log(1+x)
        small: log(1+x)-log(1-x) | sqrt(1+x)-sqrt(1-x) | exp(sin(x))-1 | cos(x)-cos(2*x)
        small: exp(x)-cos(x)
        small: (exp(x)-1-x)/x**2 | log(cos(x)) | 1-sin(x)/x | arcsin(x)-x | sinh(x)-sin(x)
        mix: exp(w*x)-1 | cos(w+x*1e-3)-cos(w) | 1-exp(-w*x) | (1-exp(-w*x))/w
        mix: log(1+w*(exp(x)-1))
    """,
    "held-out shapes": """
        real: cast(ones_like(x),"int8")-s | constant(1,dtype="float32")-s | full_like(x,1)-s
        calls: alloc(1.0,x.shape[0])-s | (1-s.dimshuffle("x",0))[0] | (1-s.reshape((-1,1))).ravel()
        calls: (1-s[::-1])[::-1] | concatenate([1-s[:1],(1-s)[1:]]) | stack([s,1-s]).prod(axis=0)
        calls: log(stack([s,1-s],axis=-1)[...,1])
        calls: (stack([s,1-s])*log(stack([s,1-s]))).sum(axis=0)
        calls: log(stack([1-s,s])[0]) | log(set_subtensor(zeros_like(x)[...],1-s))
        calls: 1-cast(s,"float64")
        calls: stack([1-s,s],axis=1).dot(np.array([0.0,1.0])) | (1-expand_dims(s,1)).sum(axis=1)
        calls: mapped(lambda u: 1-sigmoid(u),x) | mapped(lambda u: log(1-1/(1+exp(-u))),x)
        calls: (1-s).T
        calls: sigmoid(x)*(1-1/(1+exp(-x))) | log(1/(1+exp(-x)))+log(1-sigmoid(x))
        calls: 1-squeeze(s[:,None])
        calls: log(1-s).reshape((1,-1)).sum(axis=0) | (1-s).sum() | log1p(-s).mean()
        calls: exp(log1p(-s).sum())
        calls: log(1-concatenate([s,sigmoid(-x)]))[0] | (1-s[np.array([0,0])]).sum()
        calls: log(prod(1-tile(s,2)))
        calls: log(1-repeat(s,2)).sum() | log(1-concatenate([s,s])[1])
        calls: cumprod(1-concatenate([s,s]))[1]
        calls: log(1-sigmoid(concatenate([x,x+1]))).sum()
        calls: (lambda p: log(1-p[1]))(sigmoid(stack([x[0],x[0]])))
    """,
    "held-out ratios": """
        real: s**2/(s**2+(1-s)**2) | s*(1-s)/(s+0.1) | 1/(1+(1-s)**0.4/s**0.7*2) | s/(1-0.5*s)
        real: s/(2-s)
        real: (1-s)/(1+s) | (1-tanh(x))/(1+tanh(x)) | log((1+t)/(1-t)) | s**0.3*(1-s)**0.2
        real: 1/(1+exp(x))**2
        real: (1-s)**2/s**2 | 1/(s*(1-s)) | s/(1-s)+1 | 1-s/(s+1) | s*0.3/(s*0.3+(1-s)*0.7)
        real: 1-s**0.5
        real: exp(x)/(2+exp(x)) | 3/(1+2*exp(-x)) | 1-3/(3+exp(x)) | (exp(2*x)-1)/(exp(2*x)+1)
        real: 1/(1+1/exp(0.7*log(s/(1-s)))) | log(s)/log(1-s) | (1-s)*log(1-s) | s/sqrt(s*(1-s))
        real: 1-sqrt(1-s)
    """,
}

TWO = {
    "held-out pairs": """
        pairs: sa*log(sa/sb)+(1-sa)*log((1-sa)/(1-sb)) | -(sa*log(sb)+(1-sa)*log(1-sb))
        pairs: abs(sa-sb)
        pairs: 1-sqrt(sa*sb)-sqrt((1-sa)*(1-sb)) | (sa-sb)**2/(sb*(1-sb)) | sa*(1-sb)/((1-sa)*sb)
        pairs: log(sa/(1-sa))-log(sb/(1-sb)) | sa/sb | 0.3*exp(a)/(0.3*exp(a)+0.7*exp(b))
        pairs: log(0.3*exp(a)+0.7*exp(b)) | exp(a)/(exp(a)+exp(b)) | log(sa*sb+(1-sa)*(1-sb))
        pairs: 1-sa*sb
        pairs: 1-(1-sa)*(1-sb) | log(1-(1-sa)*(1-sb)) | sa+sb-sa*sb | sa*(1-sb)+(1-sa)*sb
        pairs: log1p(-sa*sb)
        pairs: sa*tanh(b)+(1-sa)*0.3 | (1-sa)*tanh(b)+sa*0.7 | -log(sigmoid(0.1*(a-b)))
        pairs: log(sa)+log(1-sb)
        pairs: 1/(1+10**((b-a)/400)) | -log(exp(a)/(exp(a)+exp(b)+exp(0.3))) | log(sa*(1-sb))
        pairs: sa*(1-sb)
        pairs: (tanh(a)+tanh(b))/(1+tanh(a)*tanh(b)) | 1-tanh(a)*tanh(b) | tanh(a)+tanh(b)
        pairs: sa*sb-sb
        pairs: softplus(a)-softplus(b) | log(1+exp(a))-log(1+exp(b)) | log((sa+sb)/2) | 1-(sa+sb)/2
        pairs: log(sa+(1-sa)*exp(-exp(b))) | log(exp(a)-exp(b)) | exp(a-b)-1 | (sa*(1-sb)-0.3*sb)/1
        pairs: Phi(a)-Phi(b) | log(1-Phi(a)*Phi(b)) | log(sigmoid(a)-sigmoid(a-1))
        pairs: sigmoid(a*0.3)-sigmoid(b*0.3)
        pairs: sqrt(a**2+1)-sqrt(b**2+1) | exp(-a)*(1-sb)/(1-sa) | (1-sa)/(1-sb)
        pairs: log(1-sa)-log(1-sb)
    """,
}

VECTOR = {
    "held-out vectors": """
        vector: -(softmax(v)*log(softmax(v))).sum() | 1-softmax(v)[0] | 1-softmax(v).max()
        vector: softmax(v/0.5)
        vector: log(1-softmax(v)[0]) | 1-(softmax(v)**2).sum() | softmax(v)[0]-softmax(v)[1]
        vector: logsumexp(v)-v[0]
        vector: exp(v-v.max())/exp(v-v.max()).sum() | log(exp(v).sum())-v[0] | log(exp(v).mean())
        vector: log(exp(v-logsumexp(v))[0]) | 0.5*log(exp(v/0.5).sum()) | (softmax(v)*v).sum()
        vector: -(1-softmax(v)[0])**2*log(softmax(v)[0])
        vector: log(softmax(concatenate([zeros(1),v]))[0])
        vector: logsumexp(v)-logsumexp(v[1:])
        vector: -(0.9*log(softmax(v))[0]+0.1*log(softmax(v)).mean())
        vector: -log(softmax(v)[0]/(softmax(v)[0]+softmax(v)[1])) | cumprod(1-sigmoid(v))
        vector: softmax(v)*(1-softmax(v))
        vector: log(prod(1-sigmoid(v))) | 1-prod(1-sigmoid(v)) | log(1-prod(1-sigmoid(v)))
        vector: log_softmax(v)[0]
        vector: (1-sigmoid(v[0]))*sigmoid(v[1]) | concatenate([sigmoid(v)*1.0,1-sigmoid(v)]).prod()
        vector: 1-sigmoid(v)
        vector: log(concatenate([sigmoid(v[:1]),diff(sigmoid(v)),1-sigmoid(v[-1:])])+1e-300)
        vector: log(sigmoid(v[0])*exp(v[1])+(1-sigmoid(v[0]))*exp(v[2])) | exp(v)/exp(v).sum()
        vector: log(1-exp(log_softmax(v)[0])) | log(softmax(v)[0])-log(1-softmax(v)[0])
        vector: diff(sigmoid(v))
        vector: log(0.1/3+0.9*softmax(v)[0]) | (softmax(v)*np.array([0.1,0.4,0.5])).sum()
        vector: exp(v[0])/(1+exp(v).sum())
    """,
}

SPELLINGS = read(ONE) + read(TWO) + read(VECTOR)
