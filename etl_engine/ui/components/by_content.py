"""Rows of a list that are drawn again only when what they show changed: `@rx.memo(wrapper=BY_CONTENT)`."""

import reflex as rx
from reflex.vars import FunctionStringVar, VarData

_SCRIPT = rx.asset("by_content.jsx", shared=True)

BY_CONTENT: FunctionStringVar = FunctionStringVar.create(
    "byContent", _var_data=VarData(imports={_SCRIPT.importable_path: [rx.ImportVar(tag="byContent")]})
)
