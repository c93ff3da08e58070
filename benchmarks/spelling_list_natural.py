"""Spellings read from the requirements sentence by sentence, before any of them was measured.

What a person who uses PyTensor, PyMC or a neural network would type for each of them.  Same form as
`spelling_list.py`.
"""

from spelling_list import read

ONE = {
    "natural critical values": """
        real: 1.0-sigmoid(x) | s*s-s | 1-s**3 | (s-1)*(s+1) | 1-2*s+s*s | 0.25-s*(1-s)
        real: reciprocal(1-s) | 1/(s-s**2) | (1-s)**-2 | (s-1)/s | (1-s)/(1+s) | 1/(1-s)-1
        real: sqrt(1-s**2) | 1-sqrt(s) | s-sqrt(s) | (2*s-1)**2 | 1-(2*s-1)**2 | s*(1-s)*(2*s-1)
        real: x-x*s | x*s*(1-s)+s | -s*(s-1)*3.0 | (5-5*s)/10 | np.float32(1)-s | np.int8(2)-2*s
        real: 1-cast(s,'float64') | (np.ones((1,1))-s)[0] | np.ones(1)-s | full_like(s,1.0)-s
        real: 1-t | (1-t)/(1+t) | t**3-t | 1-t*t | 1-abs(t) | (1+t)*(1-t)/4 | (t+1)/2*(1-(t+1)/2)
        real: 1-exp(x) | 1-exp(-x**2) | exp(2*x)-2*exp(x)+1 | (exp(x)-1)**2 | (exp(x)-1)/exp(x)
        real: exp(x)-exp(-x) | exp(x)-2+exp(-x) | (exp(x)-1)/x | 1-exp(-exp(x)) | exp(-exp(-x))
        real: 1-erf(x) | 1-erf(x)**2 | erf(x)-1 | 1-0.5*(1+erf(x/np.sqrt(2))) | (1-erf(x))/2
        real: 0.5-0.5*erf(x/np.sqrt(2)) | Phi(x)*(1-Phi(x)) | 1-Phi(x)-Phi(x)*(1-Phi(x))
        real: 2*Phi(x)-1
        real: cosh(x)-1 | 1-cosh(x)**2 | 1-cos(x) | (1-cos(x))/x**2 | cos(x)**2-1 | 2-2*cos(x/2)
        real: softplus(x)-x | x-softplus(x) | softplus(x)-softplus(-x) | softplus(x)-np.log(2.0)
        real: sqrt(1+x**2)-1 | x-sqrt(1+x**2) | 1-1/sqrt(1+x**2) | log(x+sqrt(1+x**2))
        positive: sqrt(1+x)-1 | sqrt(x+1)-sqrt(x) | 1-x/sqrt(1+x*x) | log(1+x)-log(x) | 1/x-1/(1+x)
        positive: 1-1/(1+x) | x/(1+x)-1 | 1-exp(-x)*(1+x) | log(1+1/x) | exp(-x/2)*(1-exp(-x/2))
    """,
    "natural shapes": """
        shaped real: 1-s.dimshuffle('x',0)[0] | (1-s.dimshuffle(0,'x')).flatten()
        shaped real: 1-s.reshape((1,-1))[0]
        shaped real: (1-s[:,None])[:,0] | (1-s[None,:]).squeeze() | 1-s[::-1][::-1]
        shaped real: 1-atleast_2d(s)[0]
        shaped real: log(1-s.reshape((-1,1)).T)[0] | (1-broadcast_to(s,(2,s.shape[0])))[1]
        shaped real: 1-stack([s,1-s])[0] | stack([1-s,s],axis=1)[:,0] | log(stack([1-s,s]))[0]
        shaped real: log(1-stack([s,t],axis=-1)[:,0]) | 1-max(stack([s,0*s]),0)
        shaped real: (1-concatenate([s,t]))[:x.shape[0]] | log(1-concatenate([s,t]))[:x.shape[0]]
        shaped real: join(0,s,1-s)[x.shape[0]:] | (lambda p: log(p[1]))(stack([s,1-s]))
        shaped real: alloc(1.0,x.shape[0])-s | 1-alloc(s,2,x.shape[0])[0] | 1-tile(s,2)[:x.shape[0]]
        shaped real: 1-repeat(s,2)[::2] | (1-repeat(s[:,None],3,axis=1)).mean(axis=1)
        shaped real: 1-s.copy().ravel()
        shaped real: 1-set_subtensor(zeros((2,x.shape[0]))[0],s)[0]
        shaped real: 1-switch(x>0,s,1-sigmoid(-x)) | where(x>0,1-s,1-s**2) | 1-maximum(s,1e-10)
        shaped real: log(1-clip(s,0,1)) | log(clip(1-s,0.0,1.0)) | log(1-minimum(s,1.0))
        shaped real: maximum(1-s,0)
        shaped real: 1-stack([s,s]).sum(axis=0)/2 | 1-stack([s,s]).mean(0)
        shaped real: (1-s[:,None]*np.ones(2)).sum(1)
        shaped real: 1-dot(s[:,None],np.ones((1,1)))[:,0] | outer(ones(2),1-s)[1]
        shaped real: 1-(s[:,None]@np.ones(1))
        shaped real: moveaxis(stack([1-s,s]),0,1)[:,0]*moveaxis(stack([1-s,s]),0,1)[:,1]
        shaped real: 1-shape_padleft(s)[0]
        shaped real: cumsum(stack([s,1-s]),axis=0)[1]-s | diff(stack([s,ones_like(s)]),axis=0)[0]
        shaped real: log(diff(stack([zeros_like(s),s,ones_like(s)],axis=1),axis=1))[:,1]
        shaped real: 1-split(stack([s,t]),n_splits=2,splits_size=[1,1],axis=0)[0][0]
        shaped real: swapaxes(1-s[:,None],0,1)[0] | log1p(-s[:,None])[:,0]
        calls: log(1-s)[np.array([0,0])].sum() | (1-s[np.array([0,0,0])]).sum() | 1-s[0]
        calls: log(1-s[-1])
        calls: log(1-concatenate([s,s])).sum() | prod(1-concatenate([s,s])) | 1-sum(s) | 1-mean(s)
        calls: log1p(-concatenate([s,s])[1]) | 1-prod(stack([s,s])) | log(prod(1-stack([s,s])))
        calls: diff(concatenate([np.zeros(1),s,np.ones(1)]))[1] | 1-dot(s,np.ones(1))
        calls: 1-set_subtensor(s[0],0.5*s[0]) | prod(stack([s,1-s]),axis=0)
        calls: log(1-s.reshape((1,1,1))).sum() | 1-s.squeeze() | inc_subtensor(ones(2)[:1],-s)[0]
    """,
    "natural ratios": """
        real: s/(1-s) | 3*(1-s)/s | 1/s-1 | 0.5*s/(1-s) | (1-s)/(2*s) | s/(1-s)**2 | s**2/(1-s)**3
        real: s**2/(s**2+(1-s)**2) | s*0.3/(s*0.3+(1-s)*0.7) | 1/(1+(1-s)/s) | log(s)/log(1-s)
        real: (s/(1-s))**0.5 | sqrt((1-s)/s) | (1-t)/(1+t)*s | (s-s**2)/(1-s**2) | (1-s**2)/(1-s)
        power: sa**b/(1-sa)**b | sa**b*(1-sa)**3/(sa**2*(1-sa)**b) | (sa/(1-sa))**b | 1-sa**b
        power: sa**b*(1-sa)**(1-b) | sa**(b-1)*(1-sa)**(2*b-1) | (1-sa)**b | log(sa**b*(1-sa)**2)
        power: log(1-(1-sa)**b) | 1-(1-sa)**(1/b) | pow(sa,b)*pow(1-sa,2)/(pow(sa,2)*pow(1-sa,b))
        mix: w*s/(1-s) | w*s/(w*s+(1-w)*(1-s)) | s**w/(1-s)**w | s**w*(1-s)**(1-w) | (1-w)*s-s
    """,
    "natural written out": """
        real: 1/(1+exp(-x)) | 1.0/(1.0+exp(-1.0*x)) | reciprocal(1+exp(-x)) | exp(x)/(1+exp(x))
        real: exp(x)/(exp(x)+1)**2 | exp(-x)/(1+exp(-x))**2 | exp(-x)/sqr(1+exp(-x))
        real: 1-1/(1+exp(-x))
        real: 1-exp(x)/(1+exp(x)) | exp(-x)/(1+exp(-x)) | 1/(1+exp(x)) | 1/(1+np.e**(-x))
        real: where(x>=0,1/(1+exp(-x)),exp(x)/(1+exp(x))) | log(1/(1+exp(-x))) | -log(1+exp(-x))
        real: 2/(1+exp(-2*x))-1 | (exp(x)-exp(-x))/(exp(x)+exp(-x)) | (exp(2*x)-1)/(exp(2*x)+1)
        real: (1-exp(-2*x))/(1+exp(-2*x)) | sinh(x)/cosh(x) | 1-2/(exp(2*x)+1) | 2*sigmoid(2*x)-1
        real: (1+t)/2 | (1+tanh(x/2))/2 | 0.5*tanh(0.5*x)+0.5
        real: 1-(exp(x)-exp(-x))**2/(exp(x)+exp(-x))**2
        real: 1/cosh(x)**2 | 4/(exp(x)+exp(-x))**2 | 1-(2*sigmoid(2*x)-1)**2 | (exp(x)-exp(-x))/2
        real: log(1+exp(x)) | log1p(exp(x)) | log(exp(0)+exp(x)) | log(exp(x)+1)-x
        real: x+log(1+exp(-x))
        real: maximum(x,0)+log(1+exp(-abs(x))) | log(2)+log(cosh(x/2))+x/2 | -log(sigmoid(-x))
        real: x/(1+exp(-x)) | x*s | x*exp(x)/(1+exp(x)) | s+x*s*(1-s) | s*(1+x*(1-s))
        real: x*sigmoid(1.702*x)
        real: x*Phi(x) | 0.5*x*(1+erf(x/np.sqrt(2))) | x/2*(1+erf(x/2**0.5))
        real: x*0.5*erfc(-x/np.sqrt(2))
        real: 0.5*x*(1+tanh(np.sqrt(2/np.pi)*(x+0.044715*x**3)))
        real: x*sigmoid(2*np.sqrt(2/np.pi)*(x+0.044715*x**3))
        real: x*tanh(softplus(x)) | x*tanh(log(1+exp(x))) | x*((1+exp(x))**2-1)/((1+exp(x))**2+1)
        real: x/(1+abs(x)) | 1-x/(1+abs(x)) | 1-abs(x)/(1+abs(x)) | 0.5*(1+x/(1+abs(x)))
        real: log(cosh(x)) | log((exp(x)+exp(-x))/2) | abs(x)+log(1+exp(-2*abs(x)))-np.log(2)
        real: softplus(2*x)-x-np.log(2) | logaddexp(x,-x)-log(2) | switch(x>0,x,1.0*(exp(x)-1))
        shaped real: logsumexp(stack([zeros_like(x),x]),axis=0)
        shaped real: softmax(stack([x,zeros_like(x)],axis=1),axis=1)[:,0]
        shaped real: softmax(stack([x,-x],axis=1),axis=1)[:,1] | 1-softmax(stack([x,-x]),axis=0)[0]
        shaped real: (lambda e: e[0]/e.sum(0))(exp(stack([x,0*x])))
        shaped real: log_softmax(stack([x,0*x]),axis=0)[1]
    """,
    "natural logs": """
        real: log(1-s) | log(s) | log1p(-s) | log(s*(1-s)) | log(s)+log(1-s) | log(3*s)
        real: log(0.5*(1-s))
        real: log2(s) | log2(1-s) | log10(1-s) | log10(s) | log(1-s)/np.log(2) | log(s-s**2)
        real: log(s/(1-s))
        real: log(s)-log1p(-s) | log(1/s-1) | log((1-s)/s) | log(sqrt(1-s)) | log(s**2)
        real: log((1-s)**3)
        real: log(1-t) | log(1+t) | log(1-t**2) | log1p(-t**2) | log1p(t) | 0.5*log((1+t)/(1-t))
        real: log1p(t)-log1p(-t)
        real: log(1-exp(-exp(x))) | log1p(-exp(-exp(x))) | log(-log(s)) | log(1-s**2) | log(1-s)**2
        real: log(exp(x)-1)*0+log(1+s) | log(abs(2*s-1)) | s*log(s) | (1-s)*log(1-s)
        real: log(4*s*(1-s))
        real: log(Phi(x)) | log(1-Phi(x)) | log(Phi(-x)) | log(Psi(x)) | log(Phi(x)*(1-Phi(x)))
        real: log(-log(1-s)) | log(maximum(s,0)) | log(1-abs(t)) | log(erfc(x)) | log(1-erf(x))
        negative: log(1-exp(x)) | log1p(-exp(x)) | log(-expm1(x)) | log1mexp(x)
        negative: log(exp(x)-exp(2*x)) | -log(1-exp(x))
        positive: log(exp(x)-1) | log(expm1(x)) | log(1-exp(-x)) | x+log(1-exp(-x))
        positive: log(exp(x)-exp(-x)) | log(sinh(x))
        positive: log(t) | log(1-1/(1+x)) | log(x/(1+x)) | log(1-exp(-x**1.7)) | log(cosh(x)-1)
        positive: log2(1+x)
        unit: log(x/(1-x)) | log(x)-log(1-x) | log(1-x) | log(-log(1-x)) | log10(1-x)
        unit: x*log(x)+(1-x)*log(1-x)
    """,
    "natural likelihoods": """
        label: y-s | s-y | (y-s)*x | y*x-softplus(x) | y*x-log(1+exp(x)) | softplus(x)-y*x
        label: -(y*log(s)+(1-y)*log(1-s))
        label: log(where(eq(y,1),s,1-s)) | s**y*(1-s)**(1-y) | log(s**y*(1-s)**(1-y))
        label: switch(y,log(s),log1p(-s))
        label: log(s*y+(1-s)*(1-y)) | y*log(s)+(1-y)*log1p(-s) | (y-s)/(s*(1-s)) | (s-y)**2
        label: (y-s)**2/(s*(1-s))
        label: -log(1-abs(y-s)) | log(1-abs(y-s)) | maximum(x,0)-x*y+log(1+exp(-abs(x)))
        label: softplus((1-2*y)*x)
        label: y*log(Phi(x))+(1-y)*log(1-Phi(x)) | y-Phi(x) | y*log(1-exp(-exp(x)))-(1-y)*exp(x)
        label: log(sigmoid((2*y-1)*x))
        label: -(1-s)**2*y*log(s)-(1-y)*s**2*log(1-s)
        label: (lambda p: -(1-p)**2*log(p))(y*s+(1-y)*(1-s))
        label: 1-(2*y*s+1)/(y+s+1) | maximum(0,1-(2*y-1)*x) | log(1+exp(-(2*y-1)*x)) | (y-(1+t)/2)*x
        label: (2*y-1)-t
        soft: y-s | -(y*log(s)+(1-y)*log(1-s)) | y*log(y/s)+(1-y)*log((1-y)/(1-s)) | y*x-softplus(x)
        soft: (s-y)**2
        soft: y*log(s)+(1-y)*log(1-s)-y*log(y)-(1-y)*log(1-y) | s*log(s/y)+(1-s)*log((1-s)/(1-y))
        soft: y*(1-s)-(1-y)*s
        real: -s*log(s)-(1-s)*log(1-s) | log(2)-(softplus(x)-x*s) | softplus(x)-x*s
        real: -s*log2(s)-(1-s)*log2(1-s)
        mix: log(w*s+(1-w)*(1-s)) | log(w+(1-w)*(1-s)) | log(w+(1-w)*exp(-exp(x))) | log(1-w*s)
        mix: 1-w-(1-w)*s | log((1-w)*s)
        mix: w*(1-s)/(w*(1-s)+s) | (1-w)*exp(-exp(x))/(w+(1-w)*exp(-exp(x))) | log(1-w)+log(1-s)
        mix: w+(1-w)*s-1
        mix: logaddexp(log(w),log(1-w)-exp(x)) | logaddexp(log(w)+log(s),log1p(-w)+log1p(-s))
        mix: w*log(s)+(1-w)*log(1-s)
        real: 1-exp(-exp(x)) | log(1-(1-s)**3) | exp(x)*exp(-exp(x))/(1-exp(-exp(x)))
        real: x-log(exp(exp(x))-1)
        real: sigmoid(1-x)-sigmoid(-1-x) | log(sigmoid(1-x)-sigmoid(-1-x)) | log(1-sigmoid(2-x))
        real: 1-sigmoid(1-x)-sigmoid(x-1)
        shaped real: (lambda c: diff(concatenate([[0*c[0]],c,[1+0*c[0]]]),axis=0)[1])(stack([sigmoid(-1-x),sigmoid(1-x)]))
        real: log(Phi(1-x)-Phi(-1-x)) | Phi(x+0.5)-Phi(x-0.5)
        real: exp(-x**2/2)/(np.sqrt(2*np.pi)*Phi(x)) | s-sigmoid(x-1.5)
    """,  # noqa: E501
}
TWO = {
    "natural pairs": """
        pairs: sa-sb | tanh(a)-tanh(b) | exp(a)-exp(b) | Phi(a)-Phi(b) | erf(a)-erf(b)
        pairs: softplus(a)-softplus(b)
        pairs: (1-sa)*(1-sb) | 1-sa*sb | 1-(1-sa)*(1-sb) | sa+sb-sa*sb | sa*(1-sb)+sb*(1-sa)
        pairs: sa-sa*sb | sa*(1-sb)-sb*(1-sa)
        pairs: log(maximum(sa,sb)-minimum(sa,sb)) | log(abs(sa-sb)) | sa/(1-sa)/(sb/(1-sb))
        pairs: log(1-sa*sb) | log(sa)-log(sb)
        pairs: log(exp(a)+exp(b)) | exp(a)/(exp(a)+exp(b)) | 1-exp(a)/(exp(a)+exp(b))
        pairs: log(exp(a)/(exp(a)+exp(b)))
        pairs: 1/(1+exp(b-a)) | logaddexp(a,b)-a | maximum(a,b)+log1p(exp(-abs(a-b)))
        pairs: exp(a)*exp(b)/(exp(a)+exp(b))**2
        pairs: 1-sigmoid(a-b) | log(1-sigmoid(a-b)) | sa*(1-sa)*sb*(1-sb) | (sa-sb)**2
        pairs: (tanh(a)-tanh(b))/(1-tanh(a)*tanh(b))
        pairs: log(abs(exp(a)-exp(b))) | sa*log(sa/sb)+(1-sa)*log((1-sa)/(1-sb))
        pairs: log(sa*(1-sb)+sb*(1-sa)) | log(sa)-log(1-sb)
        pairs: 1-sigmoid(a+b) | log(abs(Phi(a)-Phi(b))) | 1-maximum(sa,sb) | where(a>b,1-sa,1-sb)
        shaped pairs: 1-max(stack([sa,sb]),axis=0)
    """,
}
VECTOR = {
    "natural vectors": """
        vector: softmax(v)[0] | 1-softmax(v)[0] | (lambda p: p[0]*(1-p[0]))(softmax(v))
        vector: log_softmax(v)[0] | log(softmax(v))[1]
        vector: exp(v)[0]/exp(v).sum() | (exp(v)/sum(exp(v)))[1] | log(exp(v)/exp(v).sum())[0]
        vector: v[0]-log(exp(v).sum())
        vector: (v-logsumexp(v))[0] | exp(v-max(v))[0]/exp(v-max(v)).sum()
        vector: 1-exp(v[0])/exp(v).sum() | log(exp(v).sum())
        vector: (lambda p: p[0]-p[0]**2)(softmax(v)) | (lambda p: p[0]*p[1])(softmax(v))
        vector: (lambda p: 1-p[0]-p[1])(softmax(v))
        vector: grad(softmax(v)[0],v)[0] | grad(log_softmax(v)[0],v)[0] | grad(softmax(v)[1],v)[0]
        vector: grad(logsumexp(v),v)[0]-1
        vector: jacobian(softmax(v),v)[0,0] | hessian(log_softmax(v)[0],v)[0,0]
        vector: diag(jacobian(softmax(v),v))[1] | hessian(logsumexp(v),v)[0,0]
        vector: -sum(softmax(v)*log(softmax(v))) | -(softmax(v)*log_softmax(v)).sum()
        vector: 1-sum(softmax(v)**2) | 1-max(softmax(v))
        vector: -log_softmax(v)[0]*(1-softmax(v)[0])**2 | (softmax(v)-np.array([1.0,0,0]))[0]
        vector: sum((softmax(v)-np.array([1.0,0,0]))**2)
        vector: prod(1-sigmoid(v)) | 1-prod(sigmoid(v)) | 1-prod(1-sigmoid(v))
        vector: log(1-sigmoid(v)).sum() | (1-sigmoid(v)).mean()
        vector: log(softmax(v)[0]+softmax(v)[1]) | cumsum(softmax(v))[1]
        vector: log(1-sigmoid(v)[0]*sigmoid(v)[1]) | diff(sigmoid(v))[0]
        vector: (sigmoid(v)*cumprod(concatenate([np.ones(1),1-sigmoid(v)[:-1]])))[2]
        vector: log(cumprod(1-sigmoid(v)))[1]
        vector: softmax(v)[0]/(1-softmax(v)[0]) | log(softmax(v)[0])-log(1-softmax(v)[0])
        vector: sum(log(1-concatenate([sigmoid(v),sigmoid(-v)])))
    """,
}

NATURAL = read(ONE) + read(TWO) + read(VECTOR)
