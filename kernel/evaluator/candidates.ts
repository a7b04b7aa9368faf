import type TS from '@tslab/typescript-for-tslab'
import type { CellProgram } from './compiler-host.js'

/** What is known of a completion candidate. */
export interface CandidateDetails {
  /** Parameters and result of something that can be called: `(step: number): number`, and how many more overloads it has. */
  signature?: string
  /** First paragraph of its documentation. */
  documentation?: string
}

/** tslab's prefix of every cell: the positions of a program are behind those of the code by so much. */
const prefixLength = 'export {};\n'.length

/** Functions of the compiler that its type declarations leave out. */
interface Internals {
  findPrecedingToken(position: number, file: TS.SourceFile): TS.Node | undefined
}

/** Signatures and documentation of names that may stand at `cursor`, a position in the code of the cell. */
export function candidateDetails(
  ts: typeof TS,
  { program, file }: CellProgram,
  { cursor, names }: { cursor: number; names: readonly string[] },
): Map<string, CandidateDetails> {
  const checker = program.getTypeChecker()
  const token = (ts as unknown as Internals).findPrecedingToken(cursor + prefixLength, file) ?? file
  const symbols = symbolsAt(ts, checker, token)
  const details = new Map<string, CandidateDetails>()
  for (const name of names) {
    const symbol = symbols.get(name)
    if (symbol) details.set(name, detailsOf(ts, checker, { symbol, place: token }))
  }
  return details
}

/** The members of what stands before the dot, or else everything in scope. */
function symbolsAt(ts: typeof TS, checker: TS.TypeChecker, token: TS.Node): Map<string, TS.Symbol> {
  const access = [token.parent, token.parent?.parent].find(node => node && ts.isPropertyAccessExpression(node))
  const isMember = access && ts.isPropertyAccessExpression(access) && token.pos >= access.expression.end
  const { SymbolFlags } = ts
  const found = isMember
    ? membersOf(checker, access.expression)
    : checker.getSymbolsInScope(token, SymbolFlags.Value | SymbolFlags.Type | SymbolFlags.Namespace | SymbolFlags.Alias)
  return new Map(
    found.map(symbol => [symbol.name, symbol.flags & SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol]),
  )
}

function membersOf(checker: TS.TypeChecker, expression: TS.Expression): TS.Symbol[] {
  const namespace = checker.getSymbolAtLocation(expression)
  const exported = namespace?.exports ? checker.getExportsOfModule(namespace) : []
  return [...exported, ...checker.getTypeAtLocation(expression).getApparentProperties()]
}

function detailsOf(
  ts: typeof TS,
  checker: TS.TypeChecker,
  { symbol, place }: { symbol: TS.Symbol; place: TS.Node },
): CandidateDetails {
  const documentation = ts
    .displayPartsToString(symbol.getDocumentationComment(checker))
    .split(/\n\s*\n/)[0]!
    .trim()
  const isValue = (symbol.flags & ts.SymbolFlags.Value) !== 0
  const type = isValue ? checker.getTypeOfSymbolAtLocation(symbol, place) : undefined
  const signatures = type ? [...type.getCallSignatures(), ...type.getConstructSignatures()] : []
  const [first] = signatures
  const more = signatures.length > 1 ? ` (+${signatures.length - 1} overloads)` : ''
  return {
    ...(first && { signature: checker.signatureToString(first, place) + more }),
    ...(documentation !== '' && { documentation }),
  }
}
