"""The functions of python_scalar.sql and python_vectorized.sql, in PyFlink's process mode. Needs apache-flink, not headrace."""

from pyflink.table import DataTypes
from pyflink.table.udf import udf


@udf(result_type=DataTypes.BIGINT())
def scalar_product(a: int, b: int) -> int:
    return a * b


@udf(result_type=DataTypes.BIGINT(), func_type="pandas")
def vectorized_product(a, b):
    return a * b
