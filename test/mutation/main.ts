/** `npm run mutate [-- words of names]`: puts one fault at a time into a copy of the code; a test must catch each. */
import { MUTANTS } from './mutants.ts'
import { MutationError, tryMutants } from './mutation.ts'

/** `npm run` starts in the root of the repository. */
const root = process.cwd()
const [, , ...words] = process.argv

const inSuite = words.includes('--in-suite')
const wanted = words.filter((word) => word !== '--in-suite')
const chosen = MUTANTS.filter((mutant) => {
  return (!inSuite || mutant.inSuite === true) && wanted.every((word) => mutant.name.includes(word))
})

async function main(): Promise<number> {
  if (chosen.length === 0) throw new MutationError(`No mutant's name has ${wanted.join(' and ')} in it.`)
  const width = Math.max(...chosen.map(({ name }) => name.length))
  const survivors: string[] = []
  for await (const { mutant, caughtBy } of tryMutants(root, chosen)) {
    if (caughtBy === null) survivors.push(mutant)
    const found = caughtBy === null ? 'SURVIVES' : `${caughtBy.file}: ${caughtBy.test}`
    console.log(`${mutant.padEnd(width)}  ${found}`)
  }
  console.log(`\n${chosen.length - survivors.length} of ${chosen.length} mutants were caught`)
  return survivors.length === 0 ? 0 : 1
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof MutationError)) throw error
  console.error(error.message)
  process.exitCode = 2
}
