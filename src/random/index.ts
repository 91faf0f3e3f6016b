/** Random numbers that are a pure function of a key and a counter, the same on every platform. */
export { hashName } from './hashName.ts'
export { fillNormal } from './normal.ts'
export { philox4x32, philox4x32Into, type FourWords, type TwoWords } from './philox.ts'
export { keyFor, randomSequence, uniform, uniformInt, type RandomSequence } from './uniform.ts'
