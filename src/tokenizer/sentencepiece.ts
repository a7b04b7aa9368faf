import { LabError } from '../util/errors.js'
import { codePointCuts, mergesOf } from './merges.js'
import { float32Of, readProtobuf } from './protobuf.js'
import { bosTemplate, bpeModel, specialToken, type TokenizerJson } from './tokenizer-json.js'

/** A piece of a SentencePiece model; `type` by sentencepiece_model.proto. */
interface Piece {
  text: string
  score: number
  type: number
}

const NORMAL = 1
const UNKNOWN = 2
const CONTROL = 3
const BYTE = 6

/** What of a SentencePiece model decides how it cuts a text. */
interface SentencePieceModel {
  pieces: Piece[]
  modelType: number
  byteFallback: boolean
  whitespaceAsSuffix: boolean
  unkId: number
  bosId: number
  eosId: number
  hasCharsMap: boolean
  addDummyPrefix: boolean
  removeExtraWhitespaces: boolean
  escapeWhitespaces: boolean
}

/** Whether the bytes begin as a SentencePiece model does: field 1 (a piece), which begins with its own text. */
export function looksLikeSentencePiece(bytes: Uint8Array): boolean {
  return bytes[0] === 0x0a && bytes[2] === 0x0a
}

/**
 * Converts a SentencePiece BPE model (`tokenizer.model` of Llama 1, Llama 2, Mistral v1) into a `tokenizer.json` that gives
 * the same ids: space -> U+2581 and one put in front, merges from the piece scores, unknown characters as byte pieces.
 * Control pieces (`<s>`, `</s>`) become special tokens that are found in a text, as Hugging Face does; SentencePiece itself
 * would spell them out.
 * @returns the tokenizer and the ids of BOS and EOS (null where the model has none)
 * @throws LabError `TOKENIZER_INVALID` for a damaged file, `TOKENIZER_UNSUPPORTED` for a model of another kind
 */
export function convertSentencePiece(
  bytes: Uint8Array,
  source: string,
): { json: TokenizerJson; bosTokenId: number | null; eosTokenId: number | null } {
  const model = readModel(bytes, source)
  refuseOtherKinds(model, source)
  const control = model.pieces.flatMap((piece, id) =>
    piece.type === CONTROL || piece.type === UNKNOWN ? [specialToken(id, piece.text)] : [],
  )
  const idOf = (id: number) => (id >= 0 && id < model.pieces.length ? id : null)
  const bosTokenId = idOf(model.bosId)
  const json: TokenizerJson = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: control,
    normalizer: {
      type: 'Sequence',
      normalizers: [
        ...(model.addDummyPrefix ? [{ type: 'Prepend', prepend: '\u2581' }] : []),
        { type: 'Replace', pattern: { String: ' ' }, content: '\u2581' },
      ],
    },
    pre_tokenizer: null,
    post_processor: bosTokenId === null ? null : bosTemplate(model.pieces[bosTokenId]!.text, bosTokenId),
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '\u2581' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        ...(model.addDummyPrefix ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
      ],
    },
    model: bpeModel(Object.fromEntries(model.pieces.map((piece, id) => [piece.text, id])), mergesOfPieces(model), {
      unk_token: model.pieces[model.unkId]!.text,
      fuse_unk: true,
      byte_fallback: model.byteFallback,
    }),
  }
  return { json, bosTokenId, eosTokenId: idOf(model.eosId) }
}

/** Only normal pieces are made by merging; a higher score is merged earlier, equal scores in order of id. */
function mergesOfPieces(model: SentencePieceModel): [string, string][] {
  const normal = model.pieces.filter(piece => piece.type === NORMAL)
  const order = normal.map((_, i) => i).sort((a, b) => normal[b]!.score - normal[a]!.score || a - b)
  return mergesOf(new Map(order.map((index, rank) => [normal[index]!.text, rank])), codePointCuts)
}

function readModel(bytes: Uint8Array, source: string): SentencePieceModel {
  const model: SentencePieceModel = {
    pieces: [],
    modelType: 1,
    byteFallback: false,
    whitespaceAsSuffix: false,
    unkId: 0,
    bosId: 1,
    eosId: 2,
    hasCharsMap: false,
    addDummyPrefix: true,
    removeExtraWhitespaces: true,
    escapeWhitespaces: true,
  }
  for (const { field, wire, bytes: inner } of readProtobuf(bytes, source)) {
    if (wire !== 2) continue
    if (field === 1) model.pieces.push(readPiece(inner, `${source}, piece ${model.pieces.length}`))
    if (field === 2) readTrainer(model, inner, `${source}, trainer_spec`)
    if (field === 3) readNormalizer(model, inner, `${source}, normalizer_spec`)
  }
  checkPieces(model, source)
  return model
}

function readPiece(bytes: Uint8Array, where: string): Piece {
  const piece: Piece = { text: '', score: 0, type: NORMAL }
  for (const { field, wire, value, bytes: inner } of readProtobuf(bytes, where)) {
    if (field === 1 && wire === 2) piece.text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(inner)
    if (field === 2 && wire === 5) piece.score = float32Of(inner)
    if (field === 3 && wire === 0) piece.type = value
  }
  return piece
}

function readTrainer(model: SentencePieceModel, bytes: Uint8Array, where: string): void {
  // a negative int32 is written as ten bytes; -1 ("no such token") is the only one in use
  const id = (value: number) => (value > 0x7fff_ffff ? -1 : value)
  for (const { field, wire, value } of readProtobuf(bytes, where)) {
    if (wire !== 0) continue
    if (field === 3) model.modelType = value
    if (field === 24) model.whitespaceAsSuffix = value !== 0
    if (field === 35) model.byteFallback = value !== 0
    if (field === 40) model.unkId = id(value)
    if (field === 41) model.bosId = id(value)
    if (field === 42) model.eosId = id(value)
  }
}

function readNormalizer(model: SentencePieceModel, bytes: Uint8Array, where: string): void {
  for (const { field, value, bytes: inner } of readProtobuf(bytes, where)) {
    if (field === 2) model.hasCharsMap = inner.length > 0
    if (field === 3) model.addDummyPrefix = value !== 0
    if (field === 4) model.removeExtraWhitespaces = value !== 0
    if (field === 5) model.escapeWhitespaces = value !== 0
  }
}

function checkPieces(model: SentencePieceModel, source: string): void {
  const texts = new Set(model.pieces.map(piece => piece.text))
  const problem =
    model.pieces.length === 0
      ? 'it holds no pieces'
      : texts.size !== model.pieces.length || texts.has('')
        ? 'a piece is empty or occurs twice'
        : model.pieces[model.unkId]?.type !== UNKNOWN
          ? `piece ${model.unkId} should be the unknown piece`
          : undefined
  if (problem)
    throw new LabError(
      'TOKENIZER_INVALID',
      `${source}: not a whole SentencePiece model: ${problem}. Download the file again`,
    )
}

function refuseOtherKinds(model: SentencePieceModel, source: string): void {
  const otherPiece = model.pieces.find(piece => ![NORMAL, UNKNOWN, CONTROL, BYTE].includes(piece.type))
  const reasons: [boolean, string][] = [
    [model.modelType !== 2, `model type ${['', 'unigram', 'BPE', 'word', 'char'][model.modelType] ?? model.modelType}`],
    [model.hasCharsMap, 'a character normalisation map'],
    [model.removeExtraWhitespaces, 'removal of extra spaces'],
    [!model.escapeWhitespaces, 'spaces that are not escaped'],
    [model.whitespaceAsSuffix, 'spaces as suffixes'],
    [otherPiece !== undefined, `the user-defined or unused piece "${otherPiece?.text}"`],
  ]
  const found = reasons.filter(([applies]) => applies).map(([, reason]) => reason)
  if (found.length > 0)
    throw new LabError(
      'TOKENIZER_UNSUPPORTED',
      `${source}: expected a plain SentencePiece BPE model (Llama 1 and 2, Mistral v1), got one with ${found.join(', ')}. ` +
        conversionAdvice,
    )
}

/** How to make a `tokenizer.json` of a file that the lab does not convert itself. */
export const conversionAdvice =
  'Convert the model directory with Hugging Face transformers and open the result: python -c "from transformers import ' +
  "AutoTokenizer; AutoTokenizer.from_pretrained('MODEL_DIR').save_pretrained('OUT_DIR')\""
