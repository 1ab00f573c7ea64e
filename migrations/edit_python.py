"""Adds one line to a Python file: an import, a statement, an item of a list. Every other byte stays as it is.

Needs libcst, which keeps formatting and comments: `Migration(needs=("libcst",))`.
"""

from collections.abc import Sequence

import libcst as cst

from migrations.model import MigrationError

Body = Sequence[cst.BaseStatement]


def add_import(text: str, statement: str) -> str:
    """Add an import below the others, or below the docstring of a module that has none."""
    module = cst.parse_module(text)
    if not module.body and not module.header:
        return f"{statement}\n"
    if _index(module.body, statement) is not None:
        return text
    after = max((number for number, line in enumerate(module.body) if _is_import(line)), default=-1)
    if after < 0 and module.get_docstring() is not None:
        after = 0
    added = _statement(module, statement)
    if after >= 0 and not _is_import(module.body[after]):
        added = added.with_changes(leading_lines=[cst.EmptyLine(indent=False)])
    body = [*module.body[: after + 1], added, *module.body[after + 1 :]]
    return module.with_changes(body=body).code


def add_statement(text: str, statement: str, *, function: str = "", after: str = "") -> str:
    """Add a statement to a function, or to the module: below another, or as the last that is reached.

    Args:
        text: of the file.
        statement: one line of code.
        function: the function's name; at module level if empty.
        after: the statement, as it is written, below which the new one goes.

    Raises:
        MigrationError: the function or the statement is not there.
    """
    module = cst.parse_module(text)
    block: cst.Module | cst.FunctionDef = module
    if function:
        found = [node for node in module.body if isinstance(node, cst.FunctionDef) and node.name.value == function]
        if not found:
            raise MigrationError(f"There is no function {function}. Add '{statement}' where it belongs, by hand.")
        block = found[0]
    inner = block.body if isinstance(block, cst.FunctionDef) else block
    if not isinstance(inner, cst.Module | cst.IndentedBlock):
        raise MigrationError(f"The function {function} is written on one line. Add '{statement}' by hand.")
    if _index(inner.body, statement) is not None:
        return text
    position = len(inner.body)
    if after:
        number = _index(inner.body, after)
        if number is None:
            raise MigrationError(f"There is no line '{after}'. Add '{statement}' where it belongs, by hand.")
        position = number + 1
    elif inner.body and _leaves(inner.body[-1]):
        position -= 1
    body = [*inner.body[:position], _statement(module, statement), *inner.body[position:]]
    changed = inner.with_changes(body=body)
    return changed.code if isinstance(changed, cst.Module) else _replaced(module, inner, changed)


def add_to_list(text: str, name: str, item: str) -> str:
    """Add an item to the end of a list or tuple that the module assigns to a name.

    Args:
        text: of the file.
        name: of the variable.
        item: an expression, as it is written.

    Raises:
        MigrationError: no list or tuple of that name is assigned at module level.
    """
    module = cst.parse_module(text)
    for line in module.body:
        value = _assigned(line, name)
        if isinstance(value, cst.List | cst.Tuple):
            if any(module.code_for_node(element.value) == item for element in value.elements):
                return text
            return _replaced(module, value, _with_item(value, item))
    raise MigrationError(f"There is no list {name}. Add {item} where it belongs, by hand.")


def _replaced(module: cst.Module, old: cst.CSTNode, new: cst.CSTNode) -> str:
    changed = module.deep_replace(old, new)
    return changed.code if isinstance(changed, cst.Module) else module.code


def _assigned(line: cst.BaseStatement, name: str) -> cst.BaseExpression | None:
    for part in line.body if isinstance(line, cst.SimpleStatementLine) else ():
        if isinstance(part, cst.Assign):
            targets = [target.target for target in part.targets]
        elif isinstance(part, cst.AnnAssign):
            targets = [part.target]
        else:
            continue
        if any(isinstance(target, cst.Name) and target.value == name for target in targets):
            return part.value
    return None


def _with_item(value: cst.List | cst.Tuple, item: str) -> cst.List | cst.Tuple:
    added = cst.Element(cst.parse_expression(item))
    if not value.elements:
        comma = cst.Comma() if isinstance(value, cst.Tuple) else cst.MaybeSentinel.DEFAULT
        return value.with_changes(elements=[added.with_changes(comma=comma)])
    *others, last = value.elements
    opening, closing = _brackets(value)
    if not isinstance(opening, cst.ParenthesizedWhitespace):  # on one line
        between = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
        return value.with_changes(elements=[*others, last.with_changes(comma=between), added])
    # What ends the last line, a comment perhaps, stays with it; the new line begins as the first one does.
    between, end = _split(closing, opening)
    changed = value.with_changes(elements=[*others, last.with_changes(comma=between), added.with_changes(comma=last.comma)])
    if isinstance(changed, cst.List):
        return changed.with_changes(rbracket=changed.rbracket.with_changes(whitespace_before=end))
    *outer, inner = changed.rpar
    return changed.with_changes(rpar=[inner.with_changes(whitespace_before=end), *outer])


def _brackets(value: cst.List | cst.Tuple) -> tuple[cst.BaseParenthesizableWhitespace, cst.BaseParenthesizableWhitespace]:
    """Return the whitespace behind the opening bracket and before the closing one."""
    if isinstance(value, cst.List):
        return value.lbracket.whitespace_after, value.rbracket.whitespace_before
    if not value.lpar:
        return cst.SimpleWhitespace(""), cst.SimpleWhitespace("")
    return value.lpar[-1].whitespace_after, value.rpar[0].whitespace_before


def _split(
    end: cst.BaseParenthesizableWhitespace, opening: cst.ParenthesizedWhitespace
) -> tuple[cst.Comma, cst.BaseParenthesizableWhitespace]:
    """Return what stands between the formerly last item and the new one, and what stands behind the new one."""
    if not isinstance(end, cst.ParenthesizedWhitespace):
        return cst.Comma(whitespace_after=opening.with_changes(first_line=cst.TrailingWhitespace())), end
    plain = cst.TrailingWhitespace(newline=end.first_line.newline)
    between = cst.ParenthesizedWhitespace(first_line=end.first_line, indent=opening.indent, last_line=opening.last_line)
    return cst.Comma(whitespace_after=between), end.with_changes(first_line=plain)


def _statement(module: cst.Module, statement: str) -> cst.BaseStatement:
    return cst.parse_statement(statement, config=module.config_for_parsing)


def _is_import(line: cst.BaseStatement) -> bool:
    return isinstance(line, cst.SimpleStatementLine) and isinstance(line.body[0], cst.Import | cst.ImportFrom)


def _leaves(line: cst.BaseStatement) -> bool:
    return isinstance(line, cst.SimpleStatementLine) and isinstance(line.body[-1], cst.Return | cst.Raise)


def _code(line: cst.BaseStatement) -> str:
    """Return a statement's own code, without the lines and the comment around it."""
    if isinstance(line, cst.SimpleStatementLine):
        line = line.with_changes(leading_lines=[], trailing_whitespace=cst.TrailingWhitespace())
    return cst.Module([]).code_for_node(line).strip()


def _index(body: Body, statement: str) -> int | None:
    wanted = _code(cst.parse_statement(statement))
    return next((number for number, line in enumerate(body) if _code(line) == wanted), None)
