/** All tensor ops. The conformance tests run over this list. */
import { attentionGradientRow, attentionRow } from './attention.ts'
import { cachedAttentionRow } from './cachedAttention.ts'
import { lastAxisIndexRow, toFloatRow, toIntRow } from './cast.ts'
import { equalRow, greaterEqualRow, greaterRow, lessEqualRow, lessRow, notEqualRow, selectRow } from './compare.ts'
import * as arithmetic from './elementwise.ts'
import * as math from './elementwiseMath.ts'
import { gatherRow, scatterAddRow } from './embedding.ts'
import { groupedMatmulRow, groupedOuterRow } from './grouped.ts'
import { groupByRow, groupRowsRow } from './grouping.ts'
import { concatRow, padRow } from './join.ts'
import { constantRow, inputRow, stateRow } from './leaf.ts'
import { crossEntropyRow, logSumExpRow } from './loss.ts'
import { matmulRow } from './matmul.ts'
import { broadcastToRow, flipRow, reshapeRow, sliceRow, transposeRow } from './movement.ts'
import { layerNormRow, logSoftmaxRow, rmsNormRow, softmaxRow } from './normalize.ts'
import { mixPairsRow } from './pairs.ts'
import { randomUniformRow } from './random.ts'
import { maxRow, sumRow } from './reduce.ts'
import type { OpRow } from './row.ts'
import { topKIndicesRow } from './topK.ts'

export const allRows: readonly OpRow[] = [
  // leaves
  inputRow,
  stateRow,
  constantRow,
  // arithmetic
  arithmetic.addRow,
  arithmetic.subRow,
  arithmetic.mulRow,
  arithmetic.divRow,
  arithmetic.negRow,
  arithmetic.absRow,
  arithmetic.squareRow,
  arithmetic.sqrtRow,
  arithmetic.rsqrtRow,
  arithmetic.reciprocalRow,
  arithmetic.maximumRow,
  arithmetic.minimumRow,
  // functions and activations
  math.expRow,
  math.expNotPositiveRow,
  math.logRow,
  math.tanhRow,
  math.erfRow,
  math.sinRow,
  math.cosRow,
  math.sigmoidRow,
  math.siluRow,
  math.geluRow,
  math.geluExactRow,
  // comparison and choice
  lessRow,
  lessEqualRow,
  greaterRow,
  greaterEqualRow,
  equalRow,
  notEqualRow,
  selectRow,
  // casts, positions, random numbers
  toFloatRow,
  toIntRow,
  lastAxisIndexRow,
  randomUniformRow,
  // movement
  reshapeRow,
  transposeRow,
  sliceRow,
  flipRow,
  broadcastToRow,
  concatRow,
  padRow,
  // reductions and products
  sumRow,
  maxRow,
  matmulRow,
  gatherRow,
  scatterAddRow,
  // rows by group
  groupByRow,
  groupRowsRow,
  groupedMatmulRow,
  groupedOuterRow,
  // compositions
  mixPairsRow,
  layerNormRow,
  rmsNormRow,
  softmaxRow,
  logSoftmaxRow,
  crossEntropyRow,
  logSumExpRow,
  topKIndicesRow,
  // attention
  attentionRow,
  cachedAttentionRow,
  attentionGradientRow,
]
