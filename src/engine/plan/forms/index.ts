/** The hand-scheduled kernel forms, by the name that a row's lowering gives. */
import type { FormName } from '../../ops/row.ts'
import type { Form } from '../launchSpec.ts'
import { attentionForm, cachedAttentionForm } from './attention.ts'
import { attentionGradientForm } from './attentionGradient.ts'
import { gatherForm, scatterAddForm } from './embedding.ts'
import { groupedMatmulForm, groupedOuterForm } from './grouped.ts'
import { groupByForm, groupRowsForm } from './grouping.ts'
import { concatForm, padForm } from './join.ts'
import { matmulAddForm, matmulForm } from './matmulForm.ts'

const forms: { readonly [N in FormName]: Form } = {
  matmul: matmulForm,
  matmulAdd: matmulAddForm,
  gather: gatherForm,
  scatterAdd: scatterAddForm,
  concat: concatForm,
  pad: padForm,
  attention: attentionForm,
  cachedAttention: cachedAttentionForm,
  attentionGradient: attentionGradientForm,
  groupBy: groupByForm,
  groupRows: groupRowsForm,
  groupedMatmul: groupedMatmulForm,
  groupedOuter: groupedOuterForm,
}

export function formOf(name: FormName): Form {
  return forms[name]
}
