/** For tests of plans: what the interpreter of kernels did, machine code does too, where this processor runs the target's. */
import { expect } from 'vitest'
import type { KernelTarget } from '../../kernel/builder.ts'
import type { Backend } from '../backend.ts'
import { CompiledBackend } from '../compiled.ts'
import { NativeMachine, nativeUnavailable } from './machine.ts'

/**
 * Runs as native code, on one thread and with temporary memory full of NaN, what gave `interpreted` on the same target,
 * and expects the same bits. Nothing is run where this processor has no such target: see test/emulator.
 */
export function expectMachineCode<Result>(
  target: KernelTarget,
  run: (backend: Backend) => Result,
  interpreted: Result,
): void {
  const machine = machineOf(target)
  if (machine === undefined) return
  try {
    expect(run(new CompiledBackend(machine)), `machine code for ${target.lanes} lanes`).toEqual(interpreted)
  } finally {
    machine.dispose()
  }
}

function machineOf({ lanes, vectorRegisters, bf16 }: KernelTarget): NativeMachine | undefined {
  if (nativeUnavailable() !== undefined) return undefined
  const disable = lanes < 16 ? ['avx512'] : []
  const machine = new NativeMachine({ threads: 1, poison: true, disable, expandBf16: bf16 === 'expanded' })
  const { target } = machine
  const canMultiply = bf16 === undefined || bf16 === target.bf16
  if (target.lanes === lanes && target.vectorRegisters === vectorRegisters && canMultiply) return machine
  machine.dispose()
  return undefined
}
