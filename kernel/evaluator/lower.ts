import type TS from '@tslab/typescript-for-tslab'
import { declarationsToAssignments, topLevelNames } from './vars.js'

/** The global object through which lowered code calls the evaluator, and the flag that asks running code to stop. */
export const runtimeName = '__lab__'
export const stopFlagName = '__labStop__'

/**
 * The transformer that turns the JavaScript of a cell into a script for V8's REPL mode:
 * - a top-level name that no cell has declared yet becomes a `let` at the top, and every top-level declaration an
 *   assignment, functions first: one variable a name for the whole session, of whatever kind it was declared. (V8 refuses
 *   most changes of kind, and a `let` that a failed cell did not reach could not be read any more.)
 * - `import` and `import()` become calls of the module loader;
 * - loops look at the stop flag, and code that resumes after an `await`, or goes round a loop that awaits, ends when its cell was
 *   interrupted;
 * - the value of the last statement, when it is an expression, is handed to `result()`.
 *
 * @param declared Names that have a variable already; the script adds its own when it starts, through `declare()`.
 */
export function lowerCell(ts: typeof TS, declared: ReadonlySet<string>): TS.TransformerFactory<TS.SourceFile> {
  return context => file => {
    const f = context.factory
    const visit = interruptible(ts, context, { isModule: false })
    const toAssignments = declarationsToAssignments(ts, context)
    const parts = { imports: [] as TS.Statement[], functions: [] as TS.Statement[], rest: [] as TS.Statement[] }
    for (const statement of file.statements) {
      if (ts.isImportDeclaration(statement)) parts.imports.push(lowerImport(ts, f, statement))
      else if (ts.isExportDeclaration(statement)) continue
      else if (ts.isFunctionDeclaration(statement) && statement.name)
        parts.functions.push(lowerFunction(ts, f, ts.visitNode(statement, visit) as TS.FunctionDeclaration))
      else parts.rest.push(toAssignments(lowerStatement(ts, f, ts.visitNode(statement, visit) as TS.Statement)))
    }
    const names = topLevelNames(ts, file).filter(name => !declared.has(name))
    const head = names.length === 0 ? [] : declareNames(ts, f, names)
    return f.updateSourceFile(file, [
      ...head,
      ...parts.imports,
      ...parts.functions,
      ...handOverResult(ts, f, parts.rest),
    ])
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
      f.createExpressionStatement(call('resume', [])),
    )
  /** The check stands before the body, where no `try` of the user's own catches what it throws. */
  const guarded = (body: TS.Statement, isAsync: boolean): TS.Statement => {
    const check = isAsync ? f.createExpressionStatement(call('resume', [])) : stopCheck()
    return f.createBlock([check, ...(ts.isBlock(body) ? body.statements : [body])], true)
  }
  const guardLoop = (node: TS.IterationStatement, body: TS.Statement): TS.Statement => {
    if (ts.isWhileStatement(node)) return f.updateWhileStatement(node, node.expression, body)
    if (ts.isDoStatement(node)) return f.updateDoStatement(node, body, node.expression)
    if (ts.isForStatement(node))
      return f.updateForStatement(node, node.initializer, node.condition, node.incrementor, body)
    if (ts.isForInStatement(node)) return f.updateForInStatement(node, node.initializer, node.expression, body)
    const { awaitModifier, initializer, expression } = node as TS.ForOfStatement
    return f.updateForOfStatement(node as TS.ForOfStatement, awaitModifier, initializer, expression, body)
  }
  const visit = (original: TS.Node): TS.Node => {
    const node = ts.visitEachChild(original, visit, context)
    if (ts.isAwaitExpression(node)) return ts.setTextRange(call('resume', [node]), original)
    if (ts.isIterationStatement(node, false)) return guardLoop(node, guarded(node.statement, awaits(ts, original)))
    if (isModule) return node
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      return ts.setTextRange(call('load', [...node.arguments]), original)
    if (ts.isMetaProperty(node) && node.keywordToken === ts.SyntaxKind.ImportKeyword)
      return f.createPropertyAccessExpression(f.createIdentifier(runtimeName), 'meta')
    return node
  }
  return visit
}

/** Whether going through a loop takes an `await`; those of functions inside it do not count. */
function awaits(ts: typeof TS, node: TS.Node): boolean {
  if (ts.isAwaitExpression(node) || (ts.isForOfStatement(node) && node.awaitModifier !== undefined)) return true
  return ts.forEachChild(node, child => !ts.isFunctionLike(child) && awaits(ts, child)) ?? false
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
  const targets = f.createArrayLiteralExpression(bindings.map(([local]) => local))
  return ts.setTextRange(assignStatement(f, targets, bind), node)
}

// `void` keeps a declaration from becoming the value of the cell.
function assignStatement(f: TS.NodeFactory, target: TS.Expression, value: TS.Expression): TS.Statement {
  const assignment = f.createParenthesizedExpression(f.createAssignment(target, value))
  return f.createExpressionStatement(f.createVoidExpression(assignment))
}

/** `let a, b; __lab__.declare(['a', 'b'])` */
function declareNames(ts: typeof TS, f: TS.NodeFactory, names: string[]): TS.Statement[] {
  const declarations = names.map(name => f.createVariableDeclaration(name))
  const lets = f.createVariableDeclarationList(declarations, ts.NodeFlags.Let)
  const declare = f.createPropertyAccessExpression(f.createIdentifier(runtimeName), 'declare')
  const list = f.createArrayLiteralExpression(names.map(name => f.createStringLiteral(name)))
  const call = f.createCallExpression(declare, undefined, [list])
  return [f.createVariableStatement(undefined, lets), f.createExpressionStatement(call)]
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
  return ts.setTextRange(assignStatement(f, node.name!, ts.setTextRange(value, node)), node)
}

function lowerStatement(ts: typeof TS, f: TS.NodeFactory, node: TS.Statement): TS.Statement {
  if (ts.isExportAssignment(node)) return ts.setTextRange(f.createExpressionStatement(node.expression), node)
  if (ts.isClassDeclaration(node) && node.name) {
    const { name, heritageClauses, members } = node
    const value = f.createClassExpression(notExport(ts, node), name, undefined, heritageClauses, members)
    return ts.setTextRange(assignStatement(f, name, ts.setTextRange(value, node)), node)
  }
  if (ts.isVariableStatement(node)) {
    const { declarationList: list } = node
    const isFresh = (list.flags & ts.NodeFlags.BlockScoped) !== 0 || isEnumOrNamespace(ts, ts.getOriginalNode(node))
    if (!isFresh) return node
    // As `var`s, so that the next step takes them together; `let x` without a value sets it to undefined, `var x` does not.
    const vars = list.declarations.map(one =>
      one.initializer ? one : f.updateVariableDeclaration(one, one.name, undefined, undefined, f.createVoidZero()),
    )
    const declaration = f.createVariableDeclarationList(vars, ts.NodeFlags.None)
    return ts.setTextRange(f.createVariableStatement(undefined, declaration), node)
  }
  return node
}

// TypeScript makes a `var` of them that must not find the value of an earlier cell.
function isEnumOrNamespace(ts: typeof TS, node: TS.Node): boolean {
  return ts.isEnumDeclaration(node) || ts.isModuleDeclaration(node)
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
