import type TS from '@tslab/typescript-for-tslab'
import { varNames, varsToAssignments } from './vars.js'

/** The global object through which lowered code calls the evaluator, and the flag that asks running code to stop. */
export const runtimeName = '__lab__'
export const stopFlagName = '__labStop__'

/**
 * The transformer that turns the JavaScript of a cell into a script for V8's REPL mode:
 * - every top-level name becomes a `let`, the one kind of declaration that may be declared again by any other cell,
 *   with functions hoisted above the other statements;
 * - `import` and `import()` become calls of the module loader;
 * - loops look at the stop flag, and code that resumes after an `await` ends when its cell was interrupted;
 * - the value of the last statement, when it is an expression, is handed to `result()`.
 */
export function lowerCell(ts: typeof TS): TS.TransformerFactory<TS.SourceFile> {
  return context => file => {
    const f = context.factory
    const visit = interruptible(ts, context, { isModule: false })
    const parts = { imports: [] as TS.Statement[], functions: [] as TS.Statement[], rest: [] as TS.Statement[] }
    const functionNames = new Set<string>()
    for (const statement of file.statements) {
      if (ts.isImportDeclaration(statement)) parts.imports.push(lowerImport(ts, f, statement))
      else if (ts.isExportDeclaration(statement)) continue
      else if (ts.isFunctionDeclaration(statement) && statement.name) {
        functionNames.add(statement.name.text)
        parts.functions.push(lowerFunction(ts, f, ts.visitNode(statement, visit) as TS.FunctionDeclaration))
      } else parts.rest.push(lowerStatement(ts, f, ts.visitNode(statement, visit) as TS.Statement))
    }
    const names = varNames(ts, file).filter(name => !functionNames.has(name))
    const unVar = varsToAssignments(ts, context)
    const rest = handOverResult(
      ts,
      f,
      parts.rest.map(statement => unVar(statement)),
    )
    const hoisted = names.length === 0 ? [] : [declareLets(ts, f, names)]
    return f.updateSourceFile(file, [...hoisted, ...parts.imports, ...parts.functions, ...rest])
  }
}

/** The part of the lowering that local modules need too: stop checks in loops and after `await`. */
export function lowerModule(ts: typeof TS): TS.TransformerFactory<TS.SourceFile> {
  return context => file => ts.visitEachChild(file, interruptible(ts, context, { isModule: true }), context)
}

function interruptible(ts: typeof TS, context: TS.TransformationContext, { isModule }: { isModule: boolean }) {
  const f = context.factory
  const call = (name: string, args: TS.Expression[]) =>
    f.createCallExpression(f.createPropertyAccessExpression(f.createIdentifier(runtimeName), name), undefined, args)
  const stopCheck = () =>
    f.createIfStatement(
      f.createElementAccessExpression(f.createIdentifier(stopFlagName), 0),
      f.createExpressionStatement(call('stop', [])),
    )
  const guarded = (body: TS.Statement, isAsync: boolean): TS.Statement => {
    const check = isAsync ? f.createExpressionStatement(call('resume', [])) : stopCheck()
    return f.createBlock([check, ...(ts.isBlock(body) ? body.statements : [body])], true)
  }
  const visit = (original: TS.Node): TS.Node => {
    const node = ts.visitEachChild(original, visit, context)
    if (ts.isAwaitExpression(node)) return ts.setTextRange(call('resume', [node]), original)
    if (ts.isWhileStatement(node)) return f.updateWhileStatement(node, node.expression, guarded(node.statement, false))
    if (ts.isDoStatement(node)) return f.updateDoStatement(node, guarded(node.statement, false), node.expression)
    if (ts.isForStatement(node))
      return f.updateForStatement(
        node,
        node.initializer,
        node.condition,
        node.incrementor,
        guarded(node.statement, false),
      )
    if (ts.isForInStatement(node))
      return f.updateForInStatement(node, node.initializer, node.expression, guarded(node.statement, false))
    if (ts.isForOfStatement(node)) {
      const body = guarded(node.statement, node.awaitModifier !== undefined)
      return f.updateForOfStatement(node, node.awaitModifier, node.initializer, node.expression, body)
    }
    if (isModule) return node
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      return ts.setTextRange(call('load', [...node.arguments]), original)
    if (ts.isMetaProperty(node) && node.keywordToken === ts.SyntaxKind.ImportKeyword)
      return f.createPropertyAccessExpression(f.createIdentifier(runtimeName), 'meta')
    return node
  }
  return visit
}

/** `import d, { a as b } from 'x'` -> `let [d, b] = await __lab__.bind('x', ['default', 'a'])`. */
function lowerImport(ts: typeof TS, f: TS.NodeFactory, node: TS.ImportDeclaration): TS.Statement {
  const bindings: [local: TS.Identifier, imported: string][] = []
  const { name, namedBindings } = node.importClause ?? {}
  if (name) bindings.push([name, 'default'])
  if (namedBindings && ts.isNamespaceImport(namedBindings)) bindings.push([namedBindings.name, '*'])
  if (namedBindings && ts.isNamedImports(namedBindings))
    for (const element of namedBindings.elements)
      bindings.push([element.name, (element.propertyName ?? element.name).text])
  const imported = f.createArrayLiteralExpression(bindings.map(([, key]) => f.createStringLiteral(key)))
  const bind = f.createAwaitExpression(
    f.createCallExpression(f.createPropertyAccessExpression(f.createIdentifier(runtimeName), 'bind'), undefined, [
      node.moduleSpecifier,
      imported,
    ]),
  )
  if (bindings.length === 0) return ts.setTextRange(f.createExpressionStatement(bind), node)
  const pattern = f.createArrayBindingPattern(
    bindings.map(([local]) => f.createBindingElement(undefined, undefined, local)),
  )
  return ts.setTextRange(letStatement(ts, f, pattern, bind), node)
}

function letStatement(ts: typeof TS, f: TS.NodeFactory, name: TS.BindingName, value?: TS.Expression) {
  const declaration = f.createVariableDeclaration(name, undefined, undefined, value)
  return f.createVariableStatement(undefined, f.createVariableDeclarationList([declaration], ts.NodeFlags.Let))
}

function declareLets(ts: typeof TS, f: TS.NodeFactory, names: string[]): TS.Statement {
  const declarations = names.map(name => f.createVariableDeclaration(name))
  return f.createVariableStatement(undefined, f.createVariableDeclarationList(declarations, ts.NodeFlags.Let))
}

/** The modifiers of a declaration without `export` and `default` (decorators are gone from emitted code). */
function notExport(ts: typeof TS, node: { modifiers?: TS.NodeArray<TS.ModifierLike> }): TS.Modifier[] {
  const dropped: TS.SyntaxKind[] = [ts.SyntaxKind.ExportKeyword, ts.SyntaxKind.DefaultKeyword]
  return (node.modifiers ?? []).flatMap(one => (ts.isDecorator(one) || dropped.includes(one.kind) ? [] : [one]))
}

// The function expression has no name of its own (V8 infers it): a call inside it must see a later assignment too.
function lowerFunction(ts: typeof TS, f: TS.NodeFactory, node: TS.FunctionDeclaration): TS.Statement {
  const value = f.createFunctionExpression(
    notExport(ts, node),
    node.asteriskToken,
    undefined,
    undefined,
    node.parameters,
    undefined,
    node.body ?? f.createBlock([]),
  )
  return ts.setTextRange(letStatement(ts, f, node.name!, ts.setTextRange(value, node)), node)
}

function lowerStatement(ts: typeof TS, f: TS.NodeFactory, node: TS.Statement): TS.Statement {
  if (ts.isExportAssignment(node)) return ts.setTextRange(f.createExpressionStatement(node.expression), node)
  if (ts.isClassDeclaration(node) && node.name) {
    const { name, heritageClauses, members } = node
    const value = f.createClassExpression(notExport(ts, node), name, undefined, heritageClauses, members)
    return ts.setTextRange(letStatement(ts, f, name, ts.setTextRange(value, node)), node)
  }
  if (ts.isVariableStatement(node)) {
    const { declarationList: list } = node
    const isVar = (list.flags & ts.NodeFlags.BlockScoped) === 0
    const lets = isVar ? list : f.createVariableDeclarationList(list.declarations, ts.NodeFlags.Let)
    return ts.setTextRange(f.createVariableStatement(notExport(ts, node), lets), node)
  }
  return node
}

function handOverResult(ts: typeof TS, f: TS.NodeFactory, statements: TS.Statement[]): TS.Statement[] {
  let last = statements.length - 1
  while (last >= 0 && ts.isEmptyStatement(statements[last]!)) last--
  const statement = statements[last]
  if (!statement || !ts.isExpressionStatement(statement) || ts.isVoidExpression(statement.expression)) return statements
  const result = f.createPropertyAccessExpression(f.createIdentifier(runtimeName), 'result')
  const call = f.createCallExpression(result, undefined, [statement.expression])
  return [...statements.slice(0, last), ts.setTextRange(f.createExpressionStatement(call), statement)]
}
