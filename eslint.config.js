import eslint from '@eslint/js'
import prettier from 'eslint-config-prettier'
import tseslint from 'typescript-eslint'

// The protocol core runs over real ports in a process and over simulated ones in the simulator. It stays
// deterministic only as long as it takes time, randomness, disks and networks from its ports.
const coreIsPure = {
  'no-restricted-globals': [
    'error',
    ...['setTimeout', 'setInterval', 'setImmediate', 'performance', 'crypto', 'process', 'fetch'].map(
      name => ({
        name,
        message: 'The core takes this from its ports (src/core/ports.ts).'
      })
    )
  ],
  'no-restricted-properties': [
    'error',
    { object: 'Date', property: 'now', message: 'Use the clock port.' },
    { object: 'Math', property: 'random', message: 'Use the random port.' },
    { object: 'AbortSignal', property: 'timeout', message: 'Use the clock port.' },
    { object: 'globalThis', property: 'crypto', message: 'Use the random port.' }
  ],
  'no-restricted-syntax': [
    'error',
    {
      selector: 'NewExpression[callee.name="Date"][arguments.length=0]',
      message: 'Use the clock port.'
    },
    {
      selector: 'CallExpression[callee.property.name="localeCompare"]',
      message: 'localeCompare depends on the ICU build: compare bytes or code units.'
    },
    {
      selector:
        'ImportDeclaration[source.value="node:crypto"] > ImportSpecifier[imported.name!=/^(hash|createHash)$/]',
      message: 'Only hashing: randomness comes from the random port.'
    }
  ],
  '@typescript-eslint/no-restricted-imports': [
    'error',
    {
      patterns: [
        { regex: '^(libp2p|@libp2p/|@chainsafe/|@multiformats/)', message: 'The core knows no libp2p.' },
        {
          regex: '^(node:)?(fs|fs/promises|net|os|timers|timers/promises|child_process|worker_threads)$',
          message: 'The core has no side doors: use the ports.'
        },
        { regex: '/(libp2p|storage|cli)/', message: 'A lower layer never imports a higher one.' }
      ]
    }
  ]
}

export default tseslint.config(
  { ignores: ['dist/', 'coverage/', 'src/wire/generated/'] },
  eslint.configs.recommended,
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: { allowDefaultProject: ['eslint.config.js'] } } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true }
      ],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
      '@typescript-eslint/only-throw-error': ['error', { allowThrowingUnknown: true }],
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: 'only-allowed-literals' }
      ],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }]
    }
  },
  { files: ['src/core/**/*.ts'], rules: coreIsPure },
  { files: ['**/*.js'], ...tseslint.configs.disableTypeChecked },
  prettier
)
