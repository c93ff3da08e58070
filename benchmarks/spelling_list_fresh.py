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

# Written when these had been mended, again before any was measured.
LATER_ONE = {
    "later links": """
        real: 1-exp(-exp(0.7*x-1.2)) | exp(-exp(-(x-0.4)/1.3)) | log(s)-log1p(-s)+0.5
        real: log(-log(1-exp(-exp(x)))) | 1/(1+exp(-(2.0*x+1.0)))
        real: sigmoid(3.0*x-2.0)*(1-sigmoid(3.0*x-2.0)) | cast(s,"float64")*(1-cast(s,"float64"))
        real: (1+erf(x/np.sqrt(2.0)))*(1-erf(x/np.sqrt(2.0)))/4
        real: 0.5*erfc(-x/np.sqrt(2.0))*0.5*erfc(x/np.sqrt(2.0)) | log(Phi(x)/(1-Phi(x)))
        real: -log2(1/(1+exp(-x))) | log10(1-1/(1+exp(-x))) | log2(1+exp(x)) | log(s)/np.log(2.0)
        real: exp(log(s)+log(1-s)) | exp(-log(1+exp(-x))) | 1-exp(-log(1+exp(x)))
        real: exp(2*log(s))*(1-s) | logaddexp(x,-x) | logaddexp(x,1.0)-1.0 | logaddexp(2*x,x)-x
        real: -logaddexp(0.0,-x)-logaddexp(0.0,x)
    """,
    "later activations": """
        real: x*s+s*(1-x*s) | x*0.5*(1+tanh(0.5*x)) | x*(1-s) | x*exp(-log(1+exp(-x)))
        real: x*((1+exp(x))**2-1)/((1+exp(x))**2+1) | x*(exp(2*x)+2*exp(x))/(exp(2*x)+2*exp(x)+2)
        real: x*erf(x) | x*(1-Phi(x)) | x*Phi(x)+exp(-x**2/2)/np.sqrt(2*np.pi) | tanh(x)*s
        real: tanh(x)-x*(1-t**2) | log(cosh(x-1.0)) | log(cosh(3.0*x))/3.0 | x*tanh(x)-log(cosh(x))
        real: sqrt(x**2+1)-abs(x) | x/(1+abs(x))*(1-abs(x)/(1+abs(x))) | 1/(1+abs(x))**2
        real: exp(x)-maximum(x,0)-1 | log(1+exp(x))*s | softplus(x)*(1-s) | softplus(x)/x
        real: log1p(exp(2.0*(x-1.0)))/2.0 | maximum(x,0)+log1p(exp(-abs(x)))-x/2-np.log(2.0)
        real: clip(x,-30,30)*(1-sigmoid(clip(x,-30,30))) | 1-sigmoid(clip(x,-40,40))
        real: log(1-sigmoid(clip(x,-60,60))) | exp(-s)-1 | 1-exp(-(1-s)) | exp(s)-np.e
        pairs: sa*b+(1-sa)*a | tanh(a)*sb+(1-sb)*a | sa*tanh(sa*b+(1-sa)) | a*sa*b
        pairs: sa*(1-sb)*tanh(a*0.1)
    """,
    "later likelihoods": """
        label: y*log(0.1+0.8*s)+(1-y)*log(0.9-0.8*s) | (1-y)*log(1-s*0.7)+y*log(s*0.7)
        label: y*log1p(-exp(-exp(x)))-(1-y)*exp(x) | log(switch(y,Phi(x),1-Phi(x)))
        label: -log(abs(1-y-s)) | y*(x-exp(x))-(1-y)*exp(x) | (y*(1-s)-(1-y)*s)**2
        label: (y-s)**2-y*(1-y) | y*log(s/(1-s))+log(1-s) | log(Phi((2*y-1)*x))
        label: -(1-s)**0.7*y*log(s)-s**0.7*(1-y)*log(1-s)
        label: (y-Phi(x))*exp(-x**2/2)/(Phi(x)*(1-Phi(x)))
        soft: (y-s)**2+s*(1-s) | log(s)*y+log(1-s)*(1-y)-0.5*log(s*(1-s)) | (s-y)/(s*(1-s))
        soft: y*(1-s)+(1-y)*s | 2*(s-y)*s*(1-s) | log(s**y/(1-s)**y) | s**y*(1-s)**(2-y)
        soft: log(1-y+y*exp(x))-x*y | 3*log(s)*y+3*log(1-s)*(1-y)+log(3.0)
        mix: log(w+(1-w)*exp(-softplus(x))) | log(1-w)+log(1-exp(-exp(x))) | log(w*exp(-exp(x))+1-w)
        mix: log(w*(1-s)+(1-w)*s**2) | w*(1-s)/(w*(1-s)+(1-w)*s) | w*s/(w*s+(1-w)*exp(-x))
        mix: (1-w)*(1-s)/(1-w*s-(1-w)*(1-s)*0.5) | log(w+(1-w)*(1/(1+exp(x)))**3)
        mix: log((1-w)*(1-(1-s)**2.5)) | log1p(-(1-w)*s)-log1p(-w*s) | w**(1-s)*(1-w)**s
        mix: 1-(1-w)*s-w | (1-w)*(1-s)+w*0.5 | log(w*Phi(x)+(1-w)*(1-Phi(x))) | 1-(1-w)*Phi(x)-w
    """,
    "later survival": """
        real: exp(x)*s | log(exp(x)/(1+exp(x)))-log(1+exp(x)) | exp(x)/(1+exp(x))/(1/(1+exp(x)))
        real: 0.7*s/(1-s)/(1+s/(1-s)) | s*(1-s)/s | s*(1-s)/(1-s)**2
        real: exp(-x**2/2)/(np.sqrt(2*np.pi)*(1-Psi(x))) | -log(1-(1-exp(-exp(x))))
        real: log(1-(1-s)*(1-sigmoid(x-1.0))) | log(1-s)-log(1-sigmoid(x-1.0))
        real: (sigmoid(x+1)-sigmoid(x))/(1-sigmoid(x)) | 1-(1-sigmoid(x+1))/(1-sigmoid(x))
        real: log(s-s*sigmoid(x-2))
        positive: 1-exp(-0.3*x)*(1+0.3*x) | x*exp(-x)/(1-exp(-x)) | log(1-(1-exp(-x))**3)
        positive: (1-exp(-x))**2*exp(-x) | 1-(1-exp(-x))**2 | 2.0*(x/3.0)**1.0/3.0/(1+(x/3.0)**2.0)
        positive: x**4/(2.0**4+x**4) | 1-x**4/(2.0**4+x**4) | log(1+x**1.7)-1.7*log(x)
        positive: exp(-0.5*x)-exp(-1.5*x) | -log(1-x/(1+x)) | log1p(-x/(x+3.0))
        positive: log(1-exp(-x**2/2)) | (1-exp(-2*x))/2-x*exp(-2*x) | x*(1-x/(1+x))
        positive: 1-exp(-x*(1+0.5*x)) | 1-Phi((log(x)-0.3)/0.8) | 1/(1+exp(-(log(x)-0.5)/0.3))
        positive: exp(-(log(x/(1+x)))**2)
        unit: log(x)/log(1-x) | log(x/(1-x))/(1+log(x/(1-x))**2)
        unit: exp(-0.5*log(x/(1-x))**2)/(x*(1-x)) | 1-x**0.5 | log(1-x**0.3) | x*(1-x)*(1-2*x)
        unit: 1-(1-x**2)**3 | log(1-(1-x**2)**3) | log(-log1p(-x)) | 0.3*x/(0.3*x+0.1*(1-x))
        unit: (1-x)**0.4-1
    """,
    "later responses": """
        real: 0.2+0.7/(1+exp(-1.7*(x-0.3))) | (0.95-(0.2+0.75*s))*((0.2+0.75*s)-0.2)
        real: 1.5*sqrt(s*(1-s)) | (1-(0.2+0.8*s))/(0.2+0.8*s)*s**2 | 1.3**2*s*(1-s)
        real: (0.8*s*(1-s))**2/((0.2+0.8*s)*(1-(0.2+0.8*s)))
        real: log(1-s)+log(1-sigmoid(x-0.7))+log(sigmoid(x+0.7))
        real: s*(1-sigmoid(x-0.5))/(1-s*sigmoid(x-0.5)) | 1-s**2*(3-2*s) | s**2*(1-s)**2*6
        real: log(s)*log(1-s) | s*log(2*s)+(1-s)*log(2*(1-s)) | 1-(s**2+(1-s)**2)
        real: log(s**2+(1-s)**2) | -log(1-2*s*(1-s)) | 1-4*s*(1-s) | sqrt(1-4*s*(1-s))
        real: exp(x)/(1+exp(x)+exp(2*x)) | 1/(1+exp(x)+exp(2*x)) | 1-exp(2*x)/(1+exp(x)+exp(2*x))
        real: exp(x-1)/(1+exp(x-1)+exp(2*x-1.5)) | (exp(x)-1)/(exp(x)+1)/2+0.5
        real: (1-exp(-2*x))/(1+exp(-2*x))*x | 1-((exp(x)-exp(-x))/(exp(x)+exp(-x)))**2
        real: s/(1+exp(x)) | (1-s)/(1+exp(-x)) | exp(-x)*s**2 | exp(x)*(1-s)**2 | s-exp(x)*(1-s)
        real: x-log(s/(1-s)) | 1/(1+exp(-x))**2*exp(-x) | (1.0+exp(-x))**-0.5 | 1-(1+exp(-x))**-0.5
        real: (1+0.5*exp(-x))**(-1/0.5) | 1-(1+0.5*exp(-x))**(-2.0)
    """,
    "later shapes": """
        calls: (1-concatenate([s,t])).sum() | log(1-stack([s,s**2]))[1] | (ones((2,1))-s)[1]
        calls: (1-s[None,:]).dimshuffle(1,0)*s[:,None] | alloc(1-s[0],3)*s[0] | 1-alloc(s[0],2,2)[0]
        calls: log1p(-s.reshape((-1,1)).repeat(2,axis=1)) | set_subtensor(s[:1],0.5)*(1-s)
        calls: (1-squeeze(stack([s])))*s | log((stack([s,1-s])*np.array([[0.3],[0.7]])).sum(axis=0))
        calls: (s*(1-s)).mean() | logsumexp(stack([log(s)+np.log(0.3),log(1-s)+np.log(0.7)]),axis=0)
        calls: -(stack([s,1-s])**2).sum(axis=0)+1 | log(switch(np.array([True]),1-s,s))
        calls: broadcast_to(1-s,(2,1))[0]*s | max(stack([log(s),log(1-s)]),axis=0)
        calls: softmax(stack([x,zeros_like(x)]),axis=0)[1]
        calls: log(1-softmax(stack([x,0*x]),axis=0)[0])
        calls: diff(concatenate([zeros(1),sigmoid(stack([x[0]-1,x[0],x[0]+1])),ones(1)]))
        calls: log(diff(sigmoid(stack([x[0],x[0]+1]))))
    """,
}
LATER_TWO = {
    "later pairs": """
        pairs: sigmoid((a-b)/0.7)*(1-sigmoid((a-b)/0.7))
        pairs: log(exp(a)/(exp(a)+exp(b)))*0.3+log(exp(b)/(exp(a)+exp(b)))*0.7
        pairs: 1-exp(a)/(exp(a)+2.0*exp(b)) | exp(a)*exp(b)/(exp(a)+exp(b))**2
        pairs: log(exp(a)+2*exp(b))-log(3.0) | exp(a)/(exp(a)+1.5*exp((a+b)/2)+exp(b))
        pairs: sa*(log(sa)-log(sb))+(1-sa)*(log(1-sa)-log(1-sb)) | sa*(a-b)-softplus(a)+softplus(b)
        pairs: log(1-sa)*(1-sb) | sa*(1-sb)/(sa*(1-sb)+sb*(1-sa)) | (1-sa)*sb/(1-sa*sb)
        pairs: sa*sb/(1-sa*(1-sb)) | log(1-sa*(1-sb)) | 1-(sa-sb)**2 | log(sa*sb)-log(1-sa*sb)
        pairs: log((1-sa)*sb+sa*(1-sb)) | (sa+sb)/2-sqrt(sa*sb) | sa*sb-sa*sa*sb*sb
        pairs: sigmoid(a+b)-sigmoid(a) | sigmoid(a+b)-sigmoid(a-b) | tanh(a+b)-tanh(a)
        pairs: log(Phi(a+b)-Phi(a-b)) | Phi(a)*(1-Phi(b)) | log(1-exp(-exp(a)-exp(b)))
        pairs: exp(-exp(a))-exp(-exp(b)) | log(exp(-exp(a))-exp(-exp(b)))
        pairs: 1-exp(-exp(a))*exp(-exp(b)) | exp(a)-exp(b)-(a-b)*exp(b)
        pairs: (softplus(a)-softplus(b))/(a-b) | softplus(a)-softplus(b)-sb*(a-b)
        pairs: 1-(1-sa)**2*(1-sb)
        power: 1-sa**(1/b) | (1-sa**b)*sa | b*sa*(1-sa)
        power: b*exp(a)/(1+b*exp(a))*(1-b*exp(a)/(1+b*exp(a))) | 1/(1+(exp(a)/b)**1.5)
        power: b**2/(b**2+exp(2*a)) | (1+b*exp(a))**(-1/b) | 1-(1+b*exp(a))**(-1/b)
        power: sigmoid(b*a)*(1-sigmoid(b*a))*b | sigmoid(b*(a-0.5))*(1-sigmoid(b*(a-0.5)))
        power: log(b)+(b-1)*log(sa)+log(1-sa) | sa**(b-1)*(1-sa) | b*log(sa)+log(1-sa**b)
    """,
}
LATER_VECTOR = {
    "later vectors": """
        vector: softmax(v)*(1-softmax(v)) .sum() | exp(v/0.3)/sum(exp(v/0.3))
        vector: -log(softmax(2*v)[0]) | softmax(-v)[0] | 1/exp(-v).sum()
        vector: (softmax(v)*log(3*softmax(v))).sum() | 0.5*(1-sqr(softmax(v)).sum())
        vector: softmax(v)[0]**2*(1-softmax(v)[0]) | log(softmax(v)[0]+softmax(v)[1])
        vector: 1-softmax(v)[0]-softmax(v)[1] | log(softmax(v)[1]/(1-softmax(v)[2]))
        vector: -(1-exp(log_softmax(v)[0]))*log_softmax(v)[0]
        vector: exp(v[0])/(exp(v[0])+exp(v[1])+exp(v[2])) | log(1+exp(v[0])+exp(v[1])+exp(v[2]))
        vector: v[0]-log(1+exp(v).sum()) | (exp(v)/(1+exp(v).sum())).sum() | prod(sigmoid(v))
        vector: 1-prod(1-0.3*sigmoid(v)) | log(prod(sigmoid(v)*(1-sigmoid(v)))) | sigmoid(v).sum()-3
        vector: (1-sigmoid(v)).prod()*sigmoid(v[0]) | (lambda p: p[1]*(1-p[0])*p[2])(sigmoid(v))
        vector: (lambda p: -(p*log(p)+(1-p)*log(1-p)).sum())(sigmoid(v)) | 1-mean(sigmoid(v))
        vector: (lambda e: e[0]*(e.sum()-e[0])/e.sum()**2)(exp(v))
        vector: (lambda e: 1-e[0]/e.sum())(exp(v-max(v))) | max(v)-v[0]+log(exp(v-max(v)).sum())
    """,
}

LATER = read(LATER_ONE) + read(LATER_TWO) + read(LATER_VECTOR)
