import type TS from '@tslab/typescript-for-tslab'

/** Names that a cell declares at its top level, and by `var` anywhere outside functions and classes. */
export function topLevelNames(ts: typeof TS, file: TS.SourceFile): string[] {
  const names = new Set<string>()
  const collect = (name: TS.BindingName): void => {
    if (ts.isIdentifier(name)) names.add(name.text)
    else for (const element of name.elements) if (ts.isBindingElement(element)) collect(element.name)
  }
  const walk = (node: TS.Node): void => {
    if (ts.isFunctionLike(node) || ts.isClassLike(node)) return
    if (ts.isVariableDeclarationList(node) && (node.flags & ts.NodeFlags.BlockScoped) === 0)
      for (const declaration of node.declarations) collect(declaration.name)
    ts.forEachChild(node, walk)
  }
  for (const statement of file.statements) {
    if ((ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement)) && statement.name)
      names.add(statement.name.text)
    else if (ts.isImportDeclaration(statement)) for (const name of importedNames(ts, statement)) names.add(name)
    else {
      if (ts.isVariableStatement(statement))
        for (const { name } of statement.declarationList.declarations) collect(name)
      walk(statement)
    }
  }
  return [...names]
}

/** Names of the types, enums and namespaces that a file of declarations has at its top level. */
export function typeNames(ts: typeof TS, file: TS.SourceFile): string[] {
  return file.statements.flatMap(statement => {
    const isNamed =
      ts.isInterfaceDeclaration(statement) ||
      ts.isTypeAliasDeclaration(statement) ||
      ts.isEnumDeclaration(statement) ||
      ts.isModuleDeclaration(statement)
    return isNamed ? [statement.name.text] : []
  })
}

function importedNames(ts: typeof TS, { importClause }: TS.ImportDeclaration): string[] {
  const { name, namedBindings } = importClause ?? {}
  const named =
    namedBindings && ts.isNamedImports(namedBindings) ? namedBindings.elements.map(one => one.name.text) : []
  const space = namedBindings && ts.isNamespaceImport(namedBindings) ? [namedBindings.name.text] : []
  return [...(name ? [name.text] : []), ...space, ...named]
}

/** Rewrites the `var`s of a statement, outside functions and classes, to assignments. */
export function declarationsToAssignments(
  ts: typeof TS,
  context: TS.TransformationContext,
): (node: TS.Statement) => TS.Statement {
  const f = context.factory
  const isVarList = (node: TS.Node | undefined): node is TS.VariableDeclarationList =>
    node !== undefined && ts.isVariableDeclarationList(node) && (node.flags & ts.NodeFlags.BlockScoped) === 0
  const toTarget = (name: TS.BindingName): TS.Expression => bindingToTarget(ts, f, name)
  const toExpression = (list: TS.VariableDeclarationList): TS.Expression | undefined => {
    const parts = list.declarations
      .filter(declaration => declaration.initializer)
      .map(declaration => f.createAssignment(toTarget(declaration.name), declaration.initializer!) as TS.Expression)
    return parts.length === 0 ? undefined : parts.reduce((a, b) => f.createComma(a, b))
  }
  const visit = (original: TS.Node): TS.Node => {
    if (ts.isFunctionLike(original) || ts.isClassLike(original)) return original
    const node = ts.visitEachChild(original, visit, context)
    if (ts.isVariableStatement(node) && isVarList(node.declarationList)) {
      const value = toExpression(node.declarationList)
      if (!value) return f.createEmptyStatement()
      // `void` keeps the declaration from becoming the value of the cell.
      return ts.setTextRange(
        f.createExpressionStatement(f.createVoidExpression(f.createParenthesizedExpression(value))),
        node,
      )
    }
    if (ts.isForStatement(node) && isVarList(node.initializer))
      return f.updateForStatement(
        node,
        toExpression(node.initializer),
        node.condition,
        node.incrementor,
        node.statement,
      )
    if (ts.isForInStatement(node) && isVarList(node.initializer))
      return f.updateForInStatement(
        node,
        toTarget(node.initializer.declarations[0]!.name),
        node.expression,
        node.statement,
      )
    if (ts.isForOfStatement(node) && isVarList(node.initializer)) {
      const target = toTarget(node.initializer.declarations[0]!.name)
      return f.updateForOfStatement(node, node.awaitModifier, target, node.expression, node.statement)
    }
    return node
  }
  return statement => visit(statement) as TS.Statement
}

/** A binding pattern as the assignment target of the same shape: `{ a, b: [c = 1] }`. */
function bindingToTarget(ts: typeof TS, f: TS.NodeFactory, name: TS.BindingName): TS.Expression {
  if (ts.isIdentifier(name)) return name
  const withDefault = (element: TS.BindingElement): TS.Expression => {
    const target = bindingToTarget(ts, f, element.name)
    return element.initializer ? f.createAssignment(target, element.initializer) : target
  }
  if (ts.isArrayBindingPattern(name))
    return f.createArrayLiteralExpression(
      name.elements.map(element => {
        if (ts.isOmittedExpression(element)) return element
        return element.dotDotDotToken ? f.createSpreadElement(withDefault(element)) : withDefault(element)
      }),
    )
  return f.createObjectLiteralExpression(
    name.elements.map(element => {
      if (element.dotDotDotToken) return f.createSpreadAssignment(withDefault(element))
      const key = element.propertyName ?? (element.name as TS.Identifier)
      return f.createPropertyAssignment(key, withDefault(element))
    }),
  )
}

/** `declare let`s for the `var`s that stand inside loops and blocks of a cell, with the types that the compiler found. */
export function declareInnerVars(ts: typeof TS, file: TS.SourceFile, program: TS.Program): string {
  const checker = program.getTypeChecker()
  const names = new Map<string, string>()
  const collect = (name: TS.BindingName): void => {
    if (!ts.isIdentifier(name)) {
      for (const element of name.elements) if (ts.isBindingElement(element)) collect(element.name)
      return
    }
    const type = checker.typeToString(checker.getTypeAtLocation(name), undefined, ts.TypeFormatFlags.NoTruncation)
    names.set(name.text, `declare let ${name.text}: ${type};\n`)
  }
  const walk = (node: TS.Node): void => {
    if (ts.isFunctionLike(node) || ts.isClassLike(node)) return
    const isOuter =
      ts.isVariableDeclarationList(node) && ts.isVariableStatement(node.parent) && node.parent.parent === file
    if (ts.isVariableDeclarationList(node) && !isOuter && (node.flags & ts.NodeFlags.BlockScoped) === 0)
      for (const declaration of node.declarations) collect(declaration.name)
    ts.forEachChild(node, walk)
  }
  walk(file)
  for (const statement of file.statements)
    if (ts.isVariableStatement(statement))
      for (const { name } of statement.declarationList.declarations) if (ts.isIdentifier(name)) names.delete(name.text)
  return [...names.values()].join('')
}

/** The type of the value that a cell ends with, as it can be written in a declaration; null when it ends without one. */
export function typeOfResult(ts: typeof TS, file: TS.SourceFile, program: TS.Program): string | null {
  const last = file.statements.filter(one => !ts.isEmptyStatement(one) && !ts.isExportDeclaration(one)).at(-1)
  if (!last || !ts.isExpressionStatement(last)) return null
  const checker = program.getTypeChecker()
  const type = checker.getBaseTypeOfLiteralType(checker.getTypeAtLocation(last.expression))
  const text = checker.typeToString(type, file, ts.TypeFormatFlags.NoTruncation)
  const parsed = ts.createSourceFile('type.d.ts', `declare let it: ${text};`, ts.ScriptTarget.Latest)
  const { parseDiagnostics } = parsed as unknown as { parseDiagnostics: TS.Diagnostic[] }
  return parseDiagnostics.length === 0 && parsed.statements.length === 1 ? text : 'any'
}
