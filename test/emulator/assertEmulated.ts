/** Before each file of tests: tests of native code skip where none can run, and here that would be an error. */
import { cpuFeatures, nativeUnavailable } from '../../src/engine/runtime/native/machine.ts'

if (cpuFeatures()?.bf16 !== true) {
  throw new Error(`no emulated processor with AVX512_BF16: ${nativeUnavailable() ?? cpuFeatures()?.brand}`)
}
