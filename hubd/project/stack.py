"""What files and dependencies say about a project's stack: data, and the words for it.

Rule: a word here is a capability (small letters, digits, `-`), so that `any:postgres` may name it.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["DEPENDENCIES", "FILES", "IMAGES", "SUFFIXES"]

FILES: Mapping[str, tuple[str, ...]] = {
    "pyproject.toml": ("python",), "setup.py": ("python",), "requirements.txt": ("python",),
    "package.json": ("javascript",), "tsconfig.json": ("typescript",), "deno.json": ("typescript", "deno"),
    "go.mod": ("go",), "Cargo.toml": ("rust",), "Gemfile": ("ruby",), "composer.json": ("php",),
    "mix.exs": ("elixir",), "pom.xml": ("java",), "build.gradle": ("java",), "build.gradle.kts": ("kotlin",),
    "build.sbt": ("scala",), "Package.swift": ("swift",), "pubspec.yaml": ("dart",),
    "CMakeLists.txt": ("cpp",),
    "stack.yaml": ("haskell",), "rebar.config": ("erlang",), "build.zig": ("zig",),
    "manage.py": ("django",), "artisan": ("laravel",),
    "Dockerfile": ("docker",), "Containerfile": ("docker",), "Chart.yaml": ("kubernetes",),
    "kustomization.yaml": ("kubernetes",), "serverless.yml": ("serverless",), "ansible.cfg": ("ansible",),
    "alembic.ini": ("alembic", "sql"), "schema.prisma": ("prisma", "sql"),
    "prisma/schema.prisma": ("prisma", "sql"),
    "sqlc.yaml": ("sql",), "sqlc.yml": ("sql",), "dbt_project.yml": ("dbt", "sql"), "db/schema.rb": ("sql",),
    "drizzle.config.ts": ("drizzle", "sql"), "knexfile.js": ("sql",), "flyway.conf": ("sql",),
}  # fmt: skip
"""A file that is there, by its path from the top."""

SUFFIXES: Mapping[str, str] = {
    ".tf": "terraform", ".csproj": "dotnet", ".sln": "dotnet", ".xcodeproj": "swift", ".cabal": "haskell",
    ".ipynb": "jupyter", ".sql": "sql",
}  # fmt: skip
"""The end of the name of something at the top."""

DEPENDENCIES: Mapping[str, str] = {
    "django": "django", "flask": "flask", "fastapi": "fastapi", "starlette": "starlette",
    "aiohttp": "aiohttp",
    "pandas": "pandas", "numpy": "numpy", "torch": "pytorch", "tensorflow": "tensorflow", "jax": "jax",
    "scikit-learn": "scikit-learn", "celery": "celery", "click": "cli", "typer": "cli",
    "sqlalchemy": "sql", "alembic": "alembic", "psycopg": "postgres", "psycopg2": "postgres",
    "psycopg2-binary": "postgres", "asyncpg": "postgres", "mysqlclient": "mysql", "pymysql": "mysql",
    "pymongo": "mongodb", "motor": "mongodb", "redis": "redis", "elasticsearch": "elasticsearch",
    "typescript": "typescript", "react": "react", "react-native": "react-native", "vue": "vue",
    "svelte": "svelte",
    "@angular/core": "angular", "next": "nextjs", "nuxt": "nuxt", "astro": "astro", "express": "express",
    "fastify": "fastify", "@nestjs/core": "nestjs", "electron": "electron", "vite": "vite",
    "prisma": "prisma", "@prisma/client": "prisma", "typeorm": "sql", "sequelize": "sql",
    "drizzle-orm": "drizzle",
    "pg": "postgres", "mysql2": "mysql", "mongoose": "mongodb", "mongodb": "mongodb", "ioredis": "redis",
    "better-sqlite3": "sqlite", "tailwindcss": "css", "kafkajs": "kafka", "graphql": "graphql",
    "github.com/gin-gonic/gin": "gin", "github.com/jackc/pgx": "postgres", "github.com/lib/pq": "postgres",
    "gorm.io/gorm": "sql", "github.com/go-redis/redis": "redis", "github.com/redis/go-redis": "redis",
    "google.golang.org/grpc": "grpc",
    "tokio": "tokio", "axum": "axum", "actix-web": "actix", "diesel": "diesel", "sqlx": "sql",
    "rusqlite": "sqlite",
    "clap": "cli", "tauri": "tauri", "rails": "rails", "laravel/framework": "laravel",
}  # fmt: skip
"""A package that is needed, by its name in its own registry."""

IMAGES: Mapping[str, str] = {
    "postgres": "postgres", "postgis": "postgres", "timescaledb": "postgres", "pgvector": "postgres",
    "mysql": "mysql", "mariadb": "mysql", "mongo": "mongodb", "redis": "redis", "valkey": "redis",
    "elasticsearch": "elasticsearch", "opensearch": "elasticsearch", "rabbitmq": "rabbitmq", "kafka": "kafka",
    "nats": "nats", "clickhouse": "clickhouse", "clickhouse-server": "clickhouse", "neo4j": "neo4j",
    "cassandra": "cassandra", "memcached": "memcached", "minio": "s3", "localstack": "aws", "nginx": "nginx",
    "influxdb": "influxdb", "mssql": "sqlserver", "qdrant": "qdrant",
}  # fmt: skip
"""A container image that a compose file names, by the last part of its name."""
