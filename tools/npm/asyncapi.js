// Tells whether an AsyncAPI document is valid: node asyncapi.js FILE
'use strict'

const { readFileSync } = require('node:fs')
const { Parser } = require('@asyncapi/parser')

async function main (file) {
  const { diagnostics } = await new Parser().parse(readFileSync(file, 'utf8'))
  const faults = diagnostics.filter(({ severity }) => severity === 0)
  for (const { message, path } of faults) console.error(`${path.join('.')}: ${message}`)
  return faults.length === 0
}

main(process.argv[2]).then(valid => { process.exitCode = valid ? 0 : 1 })
