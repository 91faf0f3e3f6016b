/** Words for people: types and nodes as they appear in errors and listings. */
import type { Tensor, TensorType } from './node.ts'

/** A type as people read it: `f32[4, 8]`. */
export function describeType(type: TensorType): string {
  return `${type.dtype}[${type.shape.join(', ')}]`
}

/** A node as people find it in their code: its buffer's name or its op and type, and the scope it was written in. */
export function describeTensor(tensor: Tensor): string {
  const name = tensor.attributes['name']
  const what = `${tensor.op.name} ${typeof name === 'string' ? name : describeType(tensor)}`
  return tensor.scope === '' ? what : `${what} in ${tensor.scope}`
}
