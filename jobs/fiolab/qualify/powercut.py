from .verifying import check
def seconds(p, s): return 1
def run(context): return {"checks": []}
